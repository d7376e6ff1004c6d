package act

var _ = add(injection("duplicate", "N messages that come twice"))
