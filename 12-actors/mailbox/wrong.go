package main

// Careless is a parent that does not look after its children: it has every other
// behaviour of the one that it wraps. A child that fails stays suspended, and
// who waits for its answer waits forever. Nothing says so, anywhere.
func Careless(create func() Behaviour) func() Behaviour {
	return func() Behaviour {
		careful := create()
		return func(me *Actor, msg any) {
			if _, failed := msg.(Failed); !failed {
				careful(me, msg)
			}
		}
	}
}
