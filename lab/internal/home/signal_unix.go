//go:build unix

package home

import (
	"fmt"
	"os"
	"syscall"
)

func signalGroup(pgid int, sig os.Signal) error {
	number, ok := sig.(syscall.Signal)
	if !ok {
		return fmt.Errorf("unknown signal %v", sig)
	}
	return syscall.Kill(-pgid, number)
}
