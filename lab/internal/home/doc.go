// Package home knows where the lab keeps what it needs while it works, and whose it is.
//
// Everything lies in one state folder, .lab in the checkout. Each run of the lab has a folder
// of its own below it, with an owner record (lab.json) and one record per child process. Two
// runs therefore never share a file, and a run that was killed with -9 leaves enough behind
// for the next one to clean up after it: see [Sweep].
package home
