package services

import (
	"context"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"course.example/lab/internal/child"
)

type redisNative struct{}

func (redisNative) ports() int { return 1 }

func (redisNative) find() (map[string]string, error) {
	if runtime.GOOS == "windows" {
		return nil, noNativeOn("Redis")
	}
	patterns := append([]string{"redis-server", "valkey-server"},
		brewed("redis", "bin/redis-server")...)
	server, err := lookFor("redis-server", patterns...)
	if err != nil {
		return nil, err
	}
	return map[string]string{"redis-server": server}, nil
}

func (n redisNative) prepare(
	_ context.Context, at *site, name string, ports []int,
) (*process, error) {
	programs, err := n.find()
	if err != nil {
		return nil, err
	}
	dir, err := at.run.Mkdir(name)
	if err != nil {
		return nil, err
	}
	return &process{
		spec: child.Spec{
			Name: name, Path: programs["redis-server"], Dir: dir,
			// Snapshots are left at their default, as in the compose file's container: a clean
			// stop writes one, kill -9 loses what came after the last.
			Args: []string{"--port", strconv.Itoa(ports[0]), "--bind", "127.0.0.1",
				"--dir", dir, "--daemonize", "no", "--appendonly", "no"},
			Record: at.run.Children, Detached: at.detached,
		},
		log: filepath.Join(at.run.Dir(), name+".log"), dirs: []string{dir},
		grace: 10 * time.Second, stopBy: (*child.Process).Terminate,
	}, nil
}
