package act

var _ = add(injection("poison", "N unreadable messages into the step's input"))
