package act

var _ = add(Act{
	Name: "pause", Words: "WHO", Like: "pause consumer",
	Help:  "SIGSTOP: it hangs, and does not know",
	Fault: true,
	Check: checkWho,
	Suits: works,
	Do:    toEach(Target.Pause),
})
