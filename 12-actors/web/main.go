// Command web takes orders over HTTP and calls their grains.
package main

import (
	actors "course.example/12-actors"
	"course.example/shop"
)

func main() { shop.Main(actors.Program("web", actors.RunWeb)) }
