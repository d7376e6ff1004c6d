package services

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"course.example/lab/internal/child"
)

// Postgres is a relational database.
const Postgres Kind = "postgres"

// pgUser is user, password and database wherever the lab starts a server, as in the compose file.
const pgUser = "shop"

var postgres = trait{
	kind: Postgres, title: "PostgreSQL", env: "DATABASE_URL", ports: []int{5432},
	address: func(ports []int) address {
		return address{URL: fmt.Sprintf("postgres://%s:%s@127.0.0.1:%d/%s?sslmode=disable",
			pgUser, pgUser, ports[0], pgUser)}
	},
	handshake: postgresHandshake, place: makeDatabase, remove: removeDatabase,
	boot: startSlack / 2, image: "postgres:18",
	containerEnv: []string{"POSTGRES_USER=" + pgUser, "POSTGRES_PASSWORD=" + pgUser},
	native: &native{
		find: findPostgres, prepare: preparePostgres,
		// The fast shutdown: it ends connections where SIGTERM waits for clients. A kill -9 would
		// leave a shared memory segment behind.
		stop: os.Interrupt, closeByStop: true,
	},
	// Many shops share a server while they are tested, and each process has a pool.
	args: []string{"-c", "max_connections=400"},
	packages: map[string]string{
		"apt-get": "postgresql", "brew": "postgresql@18", "dnf": "postgresql-server",
		"pacman": "postgresql", "zypper": "postgresql-server",
	},
}

// postgresHandshake logs in to the database and has one statement executed.
func postgresHandshake(ctx context.Context, a address) (string, error) {
	var version string
	err := withPostgres(ctx, a.URL, func(conn *pgconn.PgConn) error {
		version = conn.ParameterStatus("server_version")
		return execPostgres(ctx, conn, "SELECT 1")
	})
	return version, err
}

func withPostgres(ctx context.Context, url string, use func(*pgconn.PgConn) error) error {
	conn, err := pgconn.Connect(ctx, url)
	if err != nil {
		return err
	}
	return errors.Join(use(conn), conn.Close(ctx))
}

func execPostgres(ctx context.Context, conn *pgconn.PgConn, sql string) error {
	if err := conn.Exec(ctx, sql).Close(); err != nil {
		return fmt.Errorf("%s: %w", sql, err)
	}
	return nil
}

// makeDatabase makes a database of one's own. Names come from safeName: they need no quoting
// beyond the double quotes that let a hyphen stand in them.
func makeDatabase(ctx context.Context, a address, name string) (string, error) {
	u, err := url.Parse(a.URL)
	if err != nil || u.Scheme == "" {
		return "", errors.New("DATABASE_URL must have the form " +
			"postgres://user:password@host:port/database")
	}
	u.Path = "/" + name
	return u.String(), withPostgres(ctx, a.URL, func(conn *pgconn.PgConn) error {
		return execPostgres(ctx, conn, `CREATE DATABASE "`+name+`"`)
	})
}

func removeDatabase(ctx context.Context, a address, name string) error {
	return withPostgres(ctx, a.URL, func(conn *pgconn.PgConn) error {
		// FORCE ends connections that a killed process has left behind (Postgres 13 and later).
		return execPostgres(ctx, conn, `DROP DATABASE IF EXISTS "`+name+`" WITH (FORCE)`)
	})
}

func findPostgres() ([]string, error) {
	// Debian keeps the server's programs off the PATH, one folder for each version.
	patterns := append([]string{"/usr/lib/postgresql/*/bin/initdb", "/usr/pgsql-*/bin/initdb"},
		brewed("postgresql@*", "bin/initdb")...)
	initdb, err := lookFor("initdb", append(patterns, "initdb")...)
	if err != nil {
		return nil, err
	}
	// The server must be of the same version: take the one beside it.
	server, err := lookFor("postgres", filepath.Join(filepath.Dir(initdb), "postgres"))
	return []string{server, initdb}, err
}

func preparePostgres(ctx context.Context, n node) (*process, error) {
	account, err := child.Unprivileged("postgres", "nobody")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL refuses to run as root: %w", err)
	}
	dir, err := n.site.ownFolder(ctx, n.name, account)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	if _, err := os.Stat(filepath.Join(data, "PG_VERSION")); err != nil {
		if err := initdb(ctx, n.programs, dir, data, account); err != nil {
			return nil, err
		}
	}
	p := n.process(dir, n.programs[0],
		// No socket in the file system: its path may be too long, and loopback will do.
		"-D", data, "-p", strconv.Itoa(n.ports[0]), "-h", "127.0.0.1",
		"-c", "unix_socket_directories=",
		// Among its data, and gone with it: a segment of the system's stays behind after kill -9.
		"-c", "dynamic_shared_memory_type=mmap")
	p.spec.Dir, p.spec.User, p.spec.Env = "/", account, environ([]string{"PG"})
	return p, nil
}

// initdb makes a cluster whose superuser, password and database are those of the compose file.
func initdb(ctx context.Context, programs []string, dir, data, account string) error {
	secret := filepath.Join(dir, "password")
	if err := os.WriteFile(secret, []byte(pgUser+"\n"), 0o600); err != nil {
		return fmt.Errorf("initdb: %w", err)
	}
	if err := child.Chown(secret, account); err != nil {
		return fmt.Errorf("initdb: %w", err)
	}
	_, err := child.Run(ctx, child.Spec{
		Name: "initdb", Path: programs[1], Dir: "/", User: account,
		Env: environ([]string{"PG"}),
		Args: []string{"-D", data, "-U", pgUser, "--pwfile", secret, "-E", "UTF8",
			// SCRAM takes 4,096 hashes of each side for each connection: 5 ms, and 33 ms in a
			// program with the race detector. A known password on loopback needs no such care.
			"-A", "md5", "--locale=C", "--no-sync"},
	})
	if err != nil {
		return err
	}
	// Alone with its files the server takes commands from stdin: the database is there before
	// anybody can connect, and no other database has to be asked for it.
	_, err = child.Run(ctx, child.Spec{
		Name: "create database", Path: programs[0], Dir: "/", User: account,
		Args:  []string{"--single", "-D", data, "-c", "fsync=off", "postgres"},
		Env:   environ([]string{"PG"}),
		Stdin: strings.NewReader("CREATE DATABASE " + pgUser + "\n"),
	})
	return err
}
