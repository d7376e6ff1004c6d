package main

import "syscall"

const (
	memory      = "/dev/shm"
	tmpfs       = 0x01021994 // statfs(2)
	enoughBytes = 4 << 30
)

// inMemory is a folder in memory with enough room for the data of all servers, or "".
func inMemory() string {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(memory, &fs); err != nil || fs.Type != tmpfs ||
		fs.Bavail*uint64(fs.Bsize) < enoughBytes || syscall.Access(memory, 2 /* W_OK */) != nil {
		return ""
	}
	return memory
}
