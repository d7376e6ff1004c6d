//go:build !linux

package main

// inMemory is "": only Linux has a folder in memory that everybody can use.
func inMemory() string { return "" }
