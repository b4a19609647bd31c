#include "aggregate/seal.h"

static uint32_t
checksum(const void *key, size_t key_length, const uint8_t *value, size_t length)
{
	return bytes_checksum(bytes_checksum(0, key, key_length), value, length);
}

void
seal_add(struct bytes *bytes, const void *key, size_t key_length)
{
	bytes_add_u32(bytes, checksum(key, key_length, bytes->byte, bytes->length));
}

bool
seal_fits(const void *key, size_t key_length, const uint8_t *value, size_t length)
{
	return checksum(key, key_length, value, length) == bytes_u32(value + length);
}

/* splitmix64's finish: else changes of two values that differ in the same bits would cancel */
uint64_t
seal_weight(const uint8_t *checksum)
{
	uint64_t z = bytes_u32(checksum) + UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}
