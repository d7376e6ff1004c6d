package act

var _ = add(Act{
	Name: "heal", Words: "WHO", Like: "heal consumer-1",
	Help:  "what was cut or slow is mended",
	Proxy: true,
	Check: checkWho,
	Suits: impaired,
	Do:    toEach(Target.Heal),
})
