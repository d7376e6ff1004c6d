package act

var _ = add(Act{
	Name: "start", Words: "WHO", Like: "start consumer-1",
	Help:  "what was killed or stopped begins again",
	Check: checkWho,
	Suits: rests,
	Do:    toEach(Target.Start),
})
