// Package pagetest tests what is looked at: the page for the projector in a browser, and what the
// Markdown of the repository looks like. It is a module of its own, because what drives a browser or
// reads Markdown is nothing that a step needs.
package pagetest
