package act

var _ = add(Act{
	Name: "kill", Words: "WHO", Like: "kill consumer",
	Help:  "SIGKILL: it cannot react",
	Fault: true,
	Keys: []Key{{
		Keys: []string{"k"}, Act: "kill WORKER", Short: "kill", Help: "kill -9 a WORKER",
	}},
	Check: checkWho,
	Suits: works,
	Do:    toEach(Target.Kill),
})
