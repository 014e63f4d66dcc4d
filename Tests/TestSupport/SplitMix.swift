import Basics

/// The random numbers of tests follow from a printed seed, so that failures repeat.
public typealias SplitMix = SplitMix64
