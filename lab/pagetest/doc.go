// Package pagetest tests the page for the projector in a browser. It is a module of its own, because
// what drives a browser is nothing that a step needs.
package pagetest
