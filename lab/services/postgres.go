package services

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/jackc/pgx/v5/pgconn"
)

func postgresAddress(port int) address {
	return address{URL: fmt.Sprintf("postgres://%s:%s@127.0.0.1:%d/%s?sslmode=disable",
		pgUser, pgUser, port, pgUser)}
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

// isolatePostgres makes a database of one's own. Names come from safeName: they need no quoting
// beyond the double quotes that let a hyphen stand in them.
func removeDatabase(ctx context.Context, a address, name string) error {
	return withPostgres(ctx, a.URL, func(conn *pgconn.PgConn) error {
		// FORCE ends connections that a killed process has left behind (Postgres 13 and later).
		return execPostgres(ctx, conn, `DROP DATABASE IF EXISTS "`+name+`" WITH (FORCE)`)
	})
}

func isolatePostgres(
	ctx context.Context, a address, name string,
) (string, func(context.Context) error, error) {
	u, err := url.Parse(a.URL)
	if err != nil || u.Scheme == "" {
		return "", nil, errors.New("DATABASE_URL must have the form " +
			"postgres://user:password@host:port/database")
	}
	run := func(ctx context.Context, sql string) error {
		return withPostgres(ctx, a.URL, func(conn *pgconn.PgConn) error {
			return execPostgres(ctx, conn, sql)
		})
	}
	if err := run(ctx, `CREATE DATABASE "`+name+`"`); err != nil {
		return "", nil, err
	}
	remove := func(ctx context.Context) error { return removeDatabase(ctx, a, name) }
	u.Path = "/" + name
	return u.String(), remove, nil
}
