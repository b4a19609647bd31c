#include "aggregate/bytes.h"

#include <assert.h>
#include <string.h>

void
bytes_add(struct bytes *bytes, const void *from, size_t length)
{
	assert(length <= sizeof bytes->byte - bytes->length);
	memcpy(bytes->byte + bytes->length, from, length);
	bytes->length += length;
}

void
bytes_add_u8(struct bytes *bytes, unsigned value)
{
	uint8_t byte = (uint8_t)value;

	bytes_add(bytes, &byte, 1);
}

void
bytes_add_u32(struct bytes *bytes, uint32_t value)
{
	for (unsigned shift = 32; shift > 0; shift -= 8)
		bytes_add_u8(bytes, value >> (shift - 8) & 255);
}

void
bytes_add_u64(struct bytes *bytes, uint64_t value)
{
	bytes_add_u32(bytes, (uint32_t)(value >> 32));
	bytes_add_u32(bytes, (uint32_t)value);
}

void
bytes_add_string(struct bytes *bytes, const char *string)
{
	size_t length = strlen(string);

	assert(length <= 255);
	bytes_add_u8(bytes, (unsigned)length);
	bytes_add(bytes, string, length);
}

uint32_t
bytes_u32(const uint8_t *byte)
{
	return (uint32_t)byte[0] << 24 | (uint32_t)byte[1] << 16 | (uint32_t)byte[2] << 8 | byte[3];
}

uint64_t
bytes_u64(const uint8_t *byte)
{
	return (uint64_t)bytes_u32(byte) << 32 | bytes_u32(byte + 4);
}

const uint8_t *
bytes_read_string(const uint8_t *byte, const uint8_t *end, char *string, size_t max)
{
	size_t length;

	if (byte == NULL || byte >= end)
		return NULL;
	length = *byte++;
	if (length > max || (size_t)(end - byte) < length)
		return NULL;
	memcpy(string, byte, length);
	string[length] = '\0';
	return byte + length;
}

/* A nibble at a time. */
uint32_t
bytes_checksum(uint32_t crc, const void *bytes, size_t length)
{
	static const uint32_t table[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1,
	    0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6,
	    0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};
	const uint8_t *byte = bytes;

	crc = ~crc;
	for (size_t i = 0; i < length; i++) {
		crc ^= byte[i];
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return ~crc;
}

/* Each step can be undone, so that no change of a single word is lost on the way. */
static uint64_t
digest_word(uint64_t sum, const uint8_t *byte, size_t length)
{
	uint64_t word = 0;

	memcpy(&word, byte, length);
	sum = (sum ^ word) * 0x9e3779b97f4a7c15u;
	return sum << 29 | sum >> 35;
}

/* Four sums that do not wait for one another. */
uint64_t
bytes_digest(uint64_t seed, const void *bytes, size_t length)
{
	uint64_t sum[4] = {seed, seed + 1, seed + 2, seed + 3}, all = length;
	const uint8_t *byte = bytes, *end = byte + length;

	for (; end - byte >= 32; byte += 32)
		for (unsigned i = 0; i < 4; i++)
			sum[i] = digest_word(sum[i], byte + (size_t)8 * i, 8);
	for (unsigned i = 0; byte < end; i++) {
		size_t part = end - byte < 8 ? (size_t)(end - byte) : 8;

		sum[i] = digest_word(sum[i], byte, part);
		byte += part;
	}
	for (unsigned i = 0; i < 4; i++)
		all = digest_word(all, (const uint8_t *)&sum[i], sizeof sum[i]);
	return all ^ all >> 32;
}
