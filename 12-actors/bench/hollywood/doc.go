// Package hollywood measures the local actors of Hollywood (github.com/anthdm/hollywood).
package hollywood
