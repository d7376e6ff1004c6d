//go:build unix && !linux

package child

import "syscall"

// These systems have no parent-death signal: what a killed lab leaves is swept by the next.
func setParentDeath(*syscall.SysProcAttr) {}
