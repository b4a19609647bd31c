#include "aggregate/config_work.h"

void
config_work_apply(struct config_work *work, const struct syntax_section *section,
    const struct option *option, void *object)
{
	const struct syntax_value *value = syntax_value(section, option->name);
	struct option_given given = {
	    .mistakes = work->mistakes, .file = section->file, .value = value, .object = object};

	if (value == NULL)
		return;
	if (!option->is_list && value->words != 1)
		option_mistake(&given, 0, "expected one value");
	else
		option->apply(&given, option);
}
