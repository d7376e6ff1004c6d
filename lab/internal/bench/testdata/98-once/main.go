// Command 98-once is a toy step whose program runs once.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"strings"
)

func main() {
	variant := os.Getenv("VARIANT")
	fmt.Println("variant", variant)
	fmt.Println("arguments", strings.Join(os.Args[1:], " "))
	if server := os.Getenv("TOY_URL"); server != "" {
		fmt.Println("server", server)
	}
	fmt.Println("counted 2")
	switch variant {
	case "loses":
		fmt.Println("lost 1")
	case "fails":
		fmt.Fprintln(os.Stderr, "it went wrong")
		os.Exit(3)
	case "panics":
		panic("it went wrong")
	case "hangs":
		asked := make(chan os.Signal, 1)
		signal.Notify(asked, os.Interrupt)
		<-asked // the limit does not ask
	}
}
