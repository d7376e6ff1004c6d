// Command program fails, so that its caller hears of it.
package main

import "log"

func main() { log.Fatal("this is c") }
