# A message that a user moves into Junk is a recommendation against its client.
require ["vnd.dovecot.pipe", "copy", "imapsieve", "environment", "variables"];
if environment :matches "imap.user" "*" {
    set "user" "${1}";
}
pipe :copy "tally-learn" ["spam", "${user}"];
