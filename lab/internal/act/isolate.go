package act

var _ = add(Act{
	Name: "isolate", Words: "SERVER", Like: "isolate nats-1",
	Help:  "the others of its kind do not reach it, its clients do",
	Fault: true, Proxy: true,
	Check: checkWho,
	Suits: works,
	Do:    toEach(Target.Isolate),
})
