#include "resolver/wire.h"

#include "tests/unit/packet.h"

static struct packet packet;

/* A reader of a line of words, in memory that ends where they end. */
static struct wire_reader
reader_of(const char *line, uint8_t **memory)
{
	struct wire_reader reader;

	packet_make(&packet, line);
	*memory = packet_copy(&packet, packet.length);
	wire_reader_init(&reader, *memory, packet.length);
	return reader;
}

static void
numbers_are_read_in_network_order(void **state)
{
	uint8_t *memory;
	struct wire_reader reader = reader_of("01 0203 04050607 ff fffe fffffffd", &memory);

	(void)state;
	assert_int_equal(wire_read_u8(&reader), 1);
	assert_int_equal(wire_read_u16(&reader), 0x0203);
	assert_int_equal(wire_read_u32(&reader), 0x04050607);
	assert_int_equal(wire_read_u8(&reader), 255);
	assert_int_equal(wire_read_u16(&reader), 0xfffe);
	assert_true(wire_read_u32(&reader) == 0xfffffffdu);
	assert_int_equal(reader.at, reader.length);
	assert_false(reader.failed);
	free(memory);
}

static void
a_number_that_is_cut_fails_and_reads_as_zero(void **state)
{
	static const char *const lines[] = {"", "ff", "ff", "ffffff"};
	static const unsigned bytes[] = {1, 2, 4, 4};

	(void)state;
	for (unsigned i = 0; i < COUNT(lines); i++) {
		uint8_t *memory;
		struct wire_reader reader = reader_of(lines[i], &memory);
		uint32_t value = bytes[i] == 1   ? wire_read_u8(&reader)
				 : bytes[i] == 2 ? wire_read_u16(&reader)
						 : wire_read_u32(&reader);

		/* the upper half of a cut number of four bytes may be there */
		assert_int_equal(value & 0xffff, 0);
		assert_true(reader.failed);
		free(memory);
	}
}

static void
after_a_failure_every_step_does_nothing(void **state)
{
	uint8_t *memory;
	struct wire_reader reader = reader_of("0102 @a 0001 0001 00000000 0000", &memory);
	struct wire_record record;

	(void)state;
	wire_skip(&reader, 1);
	wire_skip(&reader, 1000);
	assert_true(reader.failed);
	assert_int_equal(reader.at, 1);
	assert_int_equal(wire_read_u8(&reader), 0);
	assert_int_equal(wire_read_u16(&reader), 0);
	assert_int_equal(wire_read_u32(&reader), 0);
	assert_int_equal(wire_read_plain_name(&reader), 0);
	wire_skip(&reader, 0);
	wire_skip_name(&reader);
	wire_read_record(&reader, &record);
	assert_int_equal(record.type, 0);
	assert_int_equal(record.length, 0);
	assert_false(record.owner_is_root);
	assert_true(reader.failed);
	assert_int_equal(reader.at, 1);
	free(memory);
}

static void
a_skip_goes_to_the_end_and_no_further(void **state)
{
	uint8_t *memory;
	struct wire_reader reader = reader_of("010203", &memory);

	(void)state;
	wire_skip(&reader, 3);
	assert_false(reader.failed);
	wire_skip(&reader, 0);
	assert_false(reader.failed);
	wire_skip(&reader, SIZE_MAX);
	assert_true(reader.failed);
	assert_int_equal(reader.at, 3);
	free(memory);
}

/* A name, and its length with the root label; 0: it must fail. */
struct name_row {
	const char *line;
	size_t plain, skipped;
};

static const struct name_row name_rows[] = {
    {"00", 1, 1},
    {"@a", 3, 3},
    {"@2.0.0.127.bl.example", 22, 22},
    {"3f 63*61 00", 65, 65},
    {"3f 63*61 3f 63*61 3f 63*61 3d 61*61 00", 255, 255}, /* the longest */
    {"127*01", 0, 0}, /* a label of one byte, many times over, and no end */
    {"254*01 00", 255, 255},
    {"16 1000*61", 0, 0},
    {"00 00", 1, 1},
    {"02 6100 00", 4, 4}, /* a NUL ends no label */
    {"40 64*61 00", 0, 0},
    {"41 65*61 00", 0, 0},
    {"80 61 00", 0, 0},
    {"bf 191*61 00", 0, 0},
    {"c000", 0, 2},
    {"ffff", 0, 2},
    {"c0", 0, 0},
    {"01 61 c00c", 0, 4},
    {"01 61 c0", 0, 0},
    {"", 0, 0},
    {"01", 0, 0},
    {"01 61", 0, 0},
    {"3f 616263", 0, 0},
};

/* 256 bytes and more */
static const struct name_row long_rows[] = {
    {"3f 63*61 3f 63*61 3f 63*61 3e 62*61 00", 0, 0},
    {"3f 63*61 3f 63*61 3f 63*61 3f 63*61 00", 0, 0},
    {"3f 63*61 3f 63*61 3f 63*61 3d 61*61 3f 63*61 00", 0, 0},
    {"126*0161 02 6161 00", 0, 0},
    {"256*01 00", 0, 0},
    {"1000*0161 00", 0, 0},
    {"3f 63*61 3f 63*61 3f 63*61 3f 63*61 c00c", 0, 0},
};

static void
measure(const struct name_row *row)
{
	uint8_t *memory;
	struct wire_reader reader = reader_of(row->line, &memory);
	size_t length = wire_read_plain_name(&reader);

	if (length != row->plain || reader.failed != (length == 0) ||
	    (length > 0 && reader.at != length))
		fail_msg("\"%s\" measures %zu", row->line, length);
	free(memory);
}

static void
step_over(const struct name_row *row)
{
	uint8_t *memory;
	struct wire_reader reader = reader_of(row->line, &memory);

	wire_skip_name(&reader);
	if (reader.failed != (row->skipped == 0) || (!reader.failed && reader.at != row->skipped))
		fail_msg("\"%s\" ends at %zu%s", row->line, reader.at,
		    reader.failed ? " by failing" : "");
	free(memory);
}

static void
a_name_without_compression_is_measured(void **state)
{
	(void)state;
	for (unsigned i = 0; i < COUNT(name_rows); i++)
		measure(&name_rows[i]);
	for (unsigned i = 0; i < COUNT(long_rows); i++)
		measure(&long_rows[i]);
}

static void
a_name_is_stepped_over_to_its_end_or_its_pointer(void **state)
{
	(void)state;
	for (unsigned i = 0; i < COUNT(name_rows); i++)
		step_over(&name_rows[i]);
}

static void
a_name_of_more_than_255_bytes_is_not_stepped_over(void **state)
{
	(void)state;
	for (unsigned i = 0; i < COUNT(long_rows); i++)
		step_over(&long_rows[i]);
}

static void
the_fixed_part_of_a_record_is_read(void **state)
{
	uint8_t *memory;
	struct wire_reader reader =
	    reader_of("@a.b 0010 0001 00015180 0003 616263 00 0029 04d0 01008000 0000", &memory);
	struct wire_record record;

	(void)state;
	wire_read_record(&reader, &record);
	assert_false(record.owner_is_root);
	assert_int_equal(record.type, WIRE_TXT);
	assert_int_equal(record.class, WIRE_IN);
	assert_int_equal(record.ttl, 86400);
	assert_int_equal(record.length, 3);
	assert_int_equal(wire_read_u8(&reader), 'a');
	wire_skip(&reader, 2);
	wire_read_record(&reader, &record);
	assert_true(record.owner_is_root);
	assert_int_equal(record.type, WIRE_OPT);
	assert_int_equal(record.class, 1232);
	assert_int_equal(record.ttl, 0x01008000);
	assert_int_equal(record.length, 0);
	assert_false(reader.failed);
	assert_int_equal(reader.at, reader.length);
	free(memory);
}

static void
a_pointer_is_never_taken_for_the_root(void **state)
{
	uint8_t *memory;
	struct wire_reader reader = reader_of("c00c 0029 04d0 00000000 0000", &memory);
	struct wire_record record;

	(void)state;
	wire_read_record(&reader, &record);
	assert_false(record.owner_is_root);
	assert_false(reader.failed);
	free(memory);
}

static void
a_record_whose_data_are_not_all_there_fails(void **state)
{
	static const char whole[] = "@a 0010 0001 00000e10 0004 01020304";
	struct wire_record record;
	size_t length;

	(void)state;
	packet_make(&packet, whole);
	length = packet.length;
	for (size_t cut = 0; cut <= length; cut++) {
		uint8_t *memory = packet_copy(&packet, cut);
		struct wire_reader reader;

		wire_reader_init(&reader, memory, cut);
		wire_read_record(&reader, &record);
		assert_int_equal(reader.failed, cut < length);
		free(memory);
	}
}

static void
what_is_written_can_be_read(void **state)
{
	uint8_t memory[11];
	struct wire_writer writer;
	struct wire_reader reader;

	(void)state;
	wire_writer_init(&writer, memory, sizeof memory);
	wire_write_u8(&writer, 0xfe);
	wire_write_u16(&writer, 0xabcd);
	wire_write_u32(&writer, 0x89abcdef);
	wire_write_bytes(&writer, "wxyz", 4);
	assert_false(writer.failed);
	assert_int_equal(writer.at, sizeof memory);
	assert_memory_equal(memory, "\xfe\xab\xcd\x89\xab\xcd\xefwxyz", sizeof memory);
	wire_reader_init(&reader, memory, sizeof memory);
	assert_int_equal(wire_read_u8(&reader), 0xfe);
	assert_int_equal(wire_read_u16(&reader), 0xabcd);
	assert_true(wire_read_u32(&reader) == 0x89abcdefu);
}

static void
a_writer_stops_at_its_size(void **state)
{
	(void)state;
	for (size_t size = 0; size < 4; size++) {
		uint8_t *memory = malloc(size + 1);
		struct wire_writer writer;

		assert_non_null(memory);
		memory[size] = 0xaa;
		wire_writer_init(&writer, memory, size);
		wire_write_bytes(&writer, "abcd", 4);
		assert_true(writer.failed);
		assert_int_equal(writer.at, 0);
		wire_write_u8(&writer, 1); /* sticky, although this one would fit */
		wire_write_bytes(&writer, "", 0);
		assert_true(writer.failed);
		assert_int_equal(writer.at, 0);
		assert_int_equal(memory[size], 0xaa);
		free(memory);
	}
}

static void
a_length_is_patched_only_where_bytes_have_been_written(void **state)
{
	uint8_t memory[4] = {9, 9, 9, 9};
	struct wire_writer writer;

	(void)state;
	wire_writer_init(&writer, memory, sizeof memory);
	wire_write_u16(&writer, 0);
	wire_write_u8(&writer, 0);
	wire_patch_u16(&writer, 2, 0xffff);
	wire_patch_u16(&writer, 3, 0xffff);
	assert_memory_equal(memory, "\0\0\0\x9", 4);
	wire_patch_u16(&writer, 1, 0x0102);
	assert_memory_equal(memory, "\0\1\2\x9", 4);
	wire_patch_u16(&writer, 0, 0xfffe);
	assert_memory_equal(memory, "\xff\xfe\2\x9", 4);
	writer.failed = true;
	wire_patch_u16(&writer, 0, 0);
	assert_memory_equal(memory, "\xff\xfe\2\x9", 4);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(numbers_are_read_in_network_order),
	    cmocka_unit_test(a_number_that_is_cut_fails_and_reads_as_zero),
	    cmocka_unit_test(after_a_failure_every_step_does_nothing),
	    cmocka_unit_test(a_skip_goes_to_the_end_and_no_further),
	    cmocka_unit_test(a_name_without_compression_is_measured),
	    cmocka_unit_test(a_name_is_stepped_over_to_its_end_or_its_pointer),
	    cmocka_unit_test(a_name_of_more_than_255_bytes_is_not_stepped_over),
	    cmocka_unit_test(the_fixed_part_of_a_record_is_read),
	    cmocka_unit_test(a_pointer_is_never_taken_for_the_root),
	    cmocka_unit_test(a_record_whose_data_are_not_all_there_fails),
	    cmocka_unit_test(what_is_written_can_be_read),
	    cmocka_unit_test(a_writer_stops_at_its_size),
	    cmocka_unit_test(a_length_is_patched_only_where_bytes_have_been_written),
	};

	return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
