package act

var _ = add(Act{
	Name: "resume", Words: "WHO", Like: "resume consumer",
	Help:  "SIGCONT: what was paused goes on",
	Check: checkWho,
	Suits: hangs,
	Do:    toEach(Target.Resume),
})
