/* Times the encoder of ISA-L, in CPU seconds of this process.
 * Arguments: k m shard-length distance-between-shards bytes-to-encode
 * Prints MB/CPU-s, and CRC-32 of all parity, to compare with ours. Data as `benchByte` makes it. */
#include <isa-l.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

static double cpu_seconds(void) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  return used.ru_utime.tv_sec + used.ru_stime.tv_sec +
         (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

int main(int count, char **words) {
  static unsigned char matrix[256 * 256], tables[32 * 256 * 256];
  unsigned char *shards[256];
  if (count != 6) return 2;
  int k = atoi(words[1]), m = atoi(words[2]);
  size_t length = atol(words[3]), distance = atol(words[4]);
  long runs = atof(words[5]) / ((double)k * length) + 1;
  unsigned char *memory = aligned_alloc(64, (k + m) * distance);
  if (memory == NULL || distance % 64 != 0 || k < 1 || m < 1 || k + m > 255) return 2;
  for (int j = 0; j < k + m; j++) {
    shards[j] = memory + j * distance;
    for (size_t i = 0; i < length; i++)
      shards[j][i] = ((uint32_t)(j * 65536 + i) * 2654435761u) >> 24;
  }
  gf_gen_cauchy1_matrix(matrix, k + m, k);
  ec_init_tables(k, m, matrix + k * k, tables);
  for (long i = 0; i < runs / 4 + 1; i++)
    ec_encode_data(length, k, m, tables, shards, shards + k);
  double start = cpu_seconds();
  for (long i = 0; i < runs; i++) ec_encode_data(length, k, m, tables, shards, shards + k);
  double seconds = cpu_seconds() - start;
  uint32_t crc = 0;
  for (int j = k; j < k + m; j++) crc = crc32_gzip_refl(crc, shards[j], length);
  printf("%.1f %u\n", (double)runs * k * length / 1e6 / seconds, crc);
  return 0;
}
