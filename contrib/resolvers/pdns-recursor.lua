-- PowerDNS Recursor: for the lua-config-file, /etc/powerdns/recursor.lua
-- Without it SERVFAIL for all with dnssec=validate, for those who set AD or DO with the default.
addNTA("bl.tally.internal", "tallyd on this host")
