// Command silo hosts grains. Start it as often as you like: the grains spread
// over all that there are.
package main

import (
	actors "course.example/12-actors"
	"course.example/shop"
)

func main() { shop.Main(actors.Program("silo", actors.RunSilo)) }
