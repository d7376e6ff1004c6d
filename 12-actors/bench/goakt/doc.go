// Package goakt measures the local actors of GoAkt (github.com/tochemey/goakt).
package goakt
