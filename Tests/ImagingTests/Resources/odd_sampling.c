// Writes a JPEG whose two chroma channels are subsampled differently, which no common tool does. Usage: odd_sampling FILE
#include <stdio.h>
#include <jpeglib.h>

int main(int argc, char **argv) {
  FILE *file = argc == 2 ? fopen(argv[1], "wb") : NULL;
  if (!file) return 1;
  struct jpeg_compress_struct jpeg;
  struct jpeg_error_mgr errors;
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_compress(&jpeg);
  jpeg_stdio_dest(&jpeg, file);
  jpeg.image_width = 37;
  jpeg.image_height = 29;
  jpeg.input_components = 3;
  jpeg.in_color_space = JCS_RGB;
  jpeg_set_defaults(&jpeg);
  const int across[] = {2, 1, 2}, down[] = {2, 2, 1};
  for (int c = 0; c < 3; c++) {
    jpeg.comp_info[c].h_samp_factor = across[c];
    jpeg.comp_info[c].v_samp_factor = down[c];
  }
  jpeg_start_compress(&jpeg, TRUE);
  for (int y = 0; y < 29; y++) {
    JSAMPLE row[37 * 3];
    for (int x = 0; x < 37; x++) {
      row[3 * x] = (JSAMPLE)(x * 6);
      row[3 * x + 1] = (JSAMPLE)(y * 8);
      row[3 * x + 2] = (JSAMPLE)((x + y) * 3);
    }
    JSAMPROW rows[] = {row};
    jpeg_write_scanlines(&jpeg, rows, 1);
  }
  jpeg_finish_compress(&jpeg);
  return fclose(file);
}
