package act

var _ = add(Act{
	Name: "stop", Words: "WHO", Like: "stop consumer",
	Help:  "SIGTERM: it drains, and ends",
	Fault: true,
	Check: checkWho,
	Suits: works,
	Do:    toEach(Target.Stop),
})
