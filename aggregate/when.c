#include "aggregate/when.h"

#include <string.h>
#include <time.h>

bool
when_parse_duration(const char *string, uint32_t *seconds)
{
	static const char units[] = "smhdw";
	static const uint32_t length[] = {1, 60, 3600, 86400, 604800};
	const char *cursor = string, *unit;
	uint32_t number;

	if (!text_read_number(&cursor, 1000000000, &number) || number == 0 || *cursor == '\0')
		return false;
	unit = strchr(units, *cursor);
	if (unit == NULL || cursor[1] != '\0' || number > WHEN_LAST / length[unit - units])
		return false;
	*seconds = number * length[unit - units];
	return true;
}

bool
when_parse_date(const char *string, uint32_t *when)
{
	struct tm date = {0}, again;
	const char *end = strptime(string, "%Y-%m-%d", &date);
	time_t seconds;
	int day;

	if (end != NULL && *end == 'T') {
		end = strptime(string, "%Y-%m-%dT%H:%M:%S", &date);
		if (end != NULL && *end == 'Z')
			end++;
	}
	if (end == NULL || *end != '\0')
		return false;
	day = date.tm_mday;
	seconds = timegm(&date); /* makes March of 2027-02-30 */
	if (seconds <= 0 || seconds > (time_t)WHEN_LAST || gmtime_r(&seconds, &again) == NULL ||
	    again.tm_mday != day)
		return false;
	*when = (uint32_t)seconds;
	return true;
}

void
when_print(uint32_t when, struct text *text)
{
	time_t seconds = (time_t)when;
	char printed[32] = "";
	struct tm date;

	if (gmtime_r(&seconds, &date) != NULL)
		(void)strftime(printed, sizeof printed, "%Y-%m-%dT%H:%M:%SZ", &date);
	text_add(text, printed);
}
