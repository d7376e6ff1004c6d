package main

import "fmt"

// An actor's state needs no lock: a thousand senders, and it takes one message at a time.
func Example_mailbox() {
	system := NewSystem()
	defer system.Close()
	sum := make(chan int)
	counter := system.Spawn("counter", func() Behaviour {
		n := 0
		return func(_ *Actor, msg any) {
			switch msg {
			case "add":
				n++
			case "tell":
				sum <- n
			}
		}
	})
	sent := make(chan struct{})
	for range 1000 {
		go func() {
			system.Tell(counter, "add")
			sent <- struct{}{}
		}()
	}
	for range 1000 {
		<-sent
	}
	system.Tell(counter, "tell") // behind all the others in the mailbox
	fmt.Println(<-sum)
	// Output: 1000
}

// Become chooses what the actor does with its next message: a state machine.
func ExampleActor_Become() {
	system := NewSystem()
	defer system.Close()
	said := make(chan string)
	door := system.Spawn("door", func() Behaviour {
		var open, closed Behaviour
		open = func(me *Actor, msg any) {
			if msg == "push" {
				said <- "it closes"
				me.Become(closed)
			}
		}
		closed = func(me *Actor, msg any) {
			if msg == "push" {
				said <- "it opens"
				me.Become(open)
			}
		}
		return closed
	})
	for range 3 {
		system.Tell(door, "push")
		fmt.Println(<-said)
	}
	// Output:
	// it opens
	// it closes
	// it opens
}

// A child fails, its parent restarts it: fresh state behind the old address. The message that
// it failed at is gone, the one behind it is not.
func ExampleActor_Restart() {
	system := NewSystem()
	defer system.Close()
	said := make(chan string)
	divider := func() Behaviour {
		calls := 0
		return func(_ *Actor, msg any) {
			if by, ok := msg.(int); ok {
				calls++
				said <- fmt.Sprintf("100 / %d = %d, call %d", by, 100/by, calls)
			}
		}
	}
	parent := system.Spawn("parent", func() Behaviour {
		return func(me *Actor, msg any) {
			switch m := msg.(type) {
			case Failed:
				said <- fmt.Sprint(m.Child, " failed: ", m.Reason)
				me.Restart(m.Child)
			case string:
				child := me.Spawn("child", divider)
				for _, by := range []int{5, 0, 4} {
					me.Tell(child, by)
				}
			}
		}
	})
	system.Tell(parent, "begin")
	for range 3 {
		fmt.Println(<-said)
	}
	// Output:
	// 100 / 5 = 20, call 1
	// child failed: runtime error: integer divide by zero
	// 100 / 4 = 25, call 1
}
