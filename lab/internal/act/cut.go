package act

var _ = add(Act{
	Name: "cut", Words: "WHO", Like: "cut consumer-1",
	Help:  "its connections carry nothing, and nobody is told",
	Fault: true, Proxy: true,
	Check: checkWho,
	Suits: works,
	Do:    toEach(Target.Cut),
})
