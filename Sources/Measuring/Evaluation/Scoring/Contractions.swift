/// The contraction table of the VQA scorers: 120 entries, taken as they are.
///
/// Keys with a capital (Im, Ive, Id've, I'dve) never match, since words are lower-cased first; "somebody'd" points the wrong way.
enum Contractions {
  static let table: [String: String] = {
    let plain = restored.split(separator: " ").map { (String($0.filter { $0 != "'" }), String($0)) }
    let pairs = irregular.split(separator: " ").map { pair in
      let sides = pair.split(separator: ">").map(String.init)
      return (sides[0], sides[1])
    }
    return Dictionary(plain + pairs) { first, _ in first }
  }()

  /// 75 entries whose key is the value without apostrophes.
  private static let restored = """
    ain't aren't can't could've couldn't didn't doesn't don't hadn't hasn't haven't he'd he's how'd how'll how's I'm I've isn't it'd \
    it'll ma'am mightn't might've mustn't must've needn't not've o'clock oughtn't shan't should've shouldn't somebody'll somebody's \
    someone'd someone'll someone's something'd something'll that's there'd there're there's they'd they'll they're they've 'twas \
    wasn't we've weren't what'll what're what's what've when's where'd where's where've who'd who'll who's who've why'll why're why's \
    won't would've wouldn't y'all you'd you'll you're you've
    """

  /// 45 further entries, as key>value.
  private static let irregular = """
    couldn'tve>couldn't've couldnt've>couldn't've hadnt've>hadn't've hadn'tve>hadn't've hed've>he'd've he'dve>he'd've Id've>I'd've \
    I'dve>I'd've itd've>it'd've it'dve>it'd've let's>let's mightnt've>mightn't've mightn'tve>mightn't've ow's'at>'ow's'at \
    'ows'at>'ow's'at 'ow'sat>'ow's'at shed've>she'd've she'dve>she'd've she's>she's shouldnt've>shouldn't've shouldn'tve>shouldn't've \
    somebody'd>somebodyd somebodyd've>somebody'd've somebody'dve>somebody'd've someoned've>someone'd've someone'dve>someone'd've \
    somethingd've>something'd've something'dve>something'd've thered've>there'd've there'dve>there'd've theyd've>they'd've \
    they'dve>they'd've wed've>we'd've we'dve>we'd've whod've>who'd've who'dve>who'd've wouldnt've>wouldn't've wouldn'tve>wouldn't've \
    yall'll>y'all'll y'allll>y'all'll yall'd've>y'all'd've y'alld've>y'all'd've y'all'dve>y'all'd've youd've>you'd've you'dve>you'd've
    """
}
