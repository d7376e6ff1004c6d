package services

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"course.example/lab/internal/child"
)

type postgresNative struct{}

func (postgresNative) ports() int { return 1 }

func (postgresNative) find() (map[string]string, error) {
	if runtime.GOOS == "windows" {
		return nil, noNativeOn("PostgreSQL")
	}
	// Debian keeps the server's programs off the PATH, one folder for each version.
	patterns := append([]string{"/usr/lib/postgresql/*/bin/initdb", "/usr/pgsql-*/bin/initdb"},
		brewed("postgresql@*", "bin/initdb")...)
	initdb, err := lookFor("initdb", append(patterns, "initdb")...)
	if err != nil {
		return nil, err
	}
	// The server must be of the same version: take the one beside it.
	server, err := lookFor("postgres", filepath.Join(filepath.Dir(initdb), "postgres"))
	if err != nil {
		return nil, err
	}
	return map[string]string{"initdb": initdb, "postgres": server}, nil
}

func (n postgresNative) prepare(
	ctx context.Context, at *site, name string, ports []int,
) (*process, error) {
	programs, err := n.find()
	if err != nil {
		return nil, err
	}
	account, err := child.Unprivileged("postgres", "nobody")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL refuses to run as root: %w", err)
	}
	dir, err := at.ownFolder(ctx, name, account)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	if _, err := os.Stat(filepath.Join(data, "PG_VERSION")); err != nil {
		if err := initdb(ctx, programs, dir, data, account); err != nil {
			return nil, err
		}
	}
	return &process{
		spec: child.Spec{
			Name: name, Path: programs["postgres"], Dir: "/", User: account,
			// No socket in the file system: its path may be too long, and loopback will do.
			Args: []string{"-D", data, "-p", strconv.Itoa(ports[0]), "-h", "127.0.0.1",
				"-c", "unix_socket_directories="},
			Env:    environ([]string{"PG"}),
			Record: at.run.Children, Detached: at.detached,
		},
		log: filepath.Join(at.run.Dir(), name+".log"), dirs: []string{dir},
		// SIGINT is the fast shutdown: it ends connections where SIGTERM waits for clients. At
		// the end of life too, because kill -9 would leave a shared memory segment behind.
		grace: 30 * time.Second, stopBy: (*child.Process).Interrupt,
		closeBy: (*child.Process).Interrupt,
	}, nil
}

// initdb makes a cluster whose superuser, password and database are those of the compose file.
func initdb(ctx context.Context, programs map[string]string, dir, data, account string) error {
	secret := filepath.Join(dir, "password")
	if err := os.WriteFile(secret, []byte(pgUser+"\n"), 0o600); err != nil {
		return fmt.Errorf("initdb: %w", err)
	}
	if err := child.Chown(secret, account); err != nil {
		return fmt.Errorf("initdb: %w", err)
	}
	_, err := child.Run(ctx, child.Spec{
		Name: "initdb", Path: programs["initdb"], Dir: "/", User: account,
		Env: environ([]string{"PG"}),
		Args: []string{"-D", data, "-U", pgUser, "--pwfile", secret, "-A", "scram-sha-256",
			"-E", "UTF8", "--locale=C", "--no-sync"},
	})
	if err != nil {
		return err
	}
	// Alone with its files the server takes commands from stdin: the database is there before
	// anybody can connect, and no other database has to be asked for it.
	_, err = child.Run(ctx, child.Spec{
		Name: "create database", Path: programs["postgres"], Dir: "/", User: account,
		Args:  []string{"--single", "-D", data, "-c", "fsync=off", "postgres"},
		Env:   environ([]string{"PG"}),
		Stdin: strings.NewReader("CREATE DATABASE " + pgUser + "\n"),
	})
	return err
}

// ownFolder makes a folder that the account can use. The checkout of root may lie where no
// other user can go; then the folder is made among the temporary files.
func (at *site) ownFolder(ctx context.Context, name, account string) (string, error) {
	dir, err := at.run.Mkdir(name)
	if err != nil || account == "" {
		return dir, err
	}
	if err := child.Chown(dir, account); err != nil {
		return "", fmt.Errorf("give %s its folder: %w", name, err)
	}
	if canUse(ctx, dir, account) {
		return dir, nil
	}
	if err := os.Remove(dir); err != nil {
		return "", fmt.Errorf("folder for %s: %w", name, err)
	}
	dir, err = at.run.MkdirTemp(name)
	if err != nil {
		return "", err
	}
	if err := child.Chown(dir, account); err != nil {
		return "", fmt.Errorf("give %s its folder: %w", name, err)
	}
	if !canUse(ctx, dir, account) {
		return "", fmt.Errorf("the user %s can reach neither the state folder nor %s: "+
			"set TMPDIR to a folder every user can reach", account, os.TempDir())
	}
	return dir, nil
}

// canUse tries as the account itself: permissions have more rules than are worth repeating.
func canUse(ctx context.Context, dir, account string) bool {
	sh, err := exec.LookPath("sh")
	if err != nil {
		return false
	}
	_, err = child.Run(ctx, child.Spec{
		Name: "permission check", Path: sh, Dir: "/", User: account,
		Args: []string{"-c", `cd "$1" && test -w .`, "sh", dir},
	})
	return err == nil
}
