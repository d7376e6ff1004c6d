// Package skew shows write skew, in the lecture's words: two doctors are on call, both
// may go home as long as one stays, and both ask at the same moment.
//
// Where to look, in this order:
//
//	doctors.go  what a doctor does to go home, as one transaction
//	ways.go     that transaction under each isolation level, and with two kinds of lock
//	meet.go     two doctors who ask at the same moment, every time
package skew
