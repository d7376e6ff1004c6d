package services

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/alicebob/miniredis/v2/proto"
)

func redisAddress(port int) address {
	return address{URL: fmt.Sprintf("redis://127.0.0.1:%d/0", port)}
}

// redisHandshake logs in, selects the database and has a PING answered.
func redisHandshake(ctx context.Context, a address) (string, error) {
	var version string
	err := withRedis(ctx, a.URL, func(do redisDo) error {
		answer, err := do("PING")
		if err != nil {
			return err
		}
		if answer != "PONG" {
			return fmt.Errorf("what answers there is not Redis: %.40q", answer)
		}
		// A server may forbid INFO, and the in-process one does not know this section.
		if info, err := do("INFO", "server"); err == nil {
			_, version, _ = strings.Cut(info, "redis_version:")
			version, _, _ = strings.Cut(version, "\r\n")
		}
		return nil
	})
	return version, err
}

// redisDo sends one command and returns a simple answer; nil answers are "".
type redisDo func(command ...string) (string, error)

func withRedis(ctx context.Context, rawURL string, use func(redisDo) error) error {
	u, err := url.Parse(rawURL)
	if err != nil || (u.Scheme != "redis" && u.Scheme != "rediss") {
		return errors.New("a Redis URL has the form redis://user:password@host:port/number")
	}
	host := u.Host
	if u.Port() == "" {
		host = net.JoinHostPort(u.Hostname(), "6379")
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", host)
	if err != nil {
		return err
	}
	// The client knows no contexts: closing the connection is what ends a call that hangs.
	raw := conn
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	if u.Scheme == "rediss" {
		conn = tls.Client(conn, &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12})
	}
	client := proto.NewClient(conn)
	do := func(command ...string) (string, error) {
		answer, err := client.Do(command...)
		if err == nil {
			answer, err = simple(answer)
		}
		if err == nil {
			return answer, nil
		}
		if ctx.Err() != nil {
			err = fmt.Errorf("no answer in time: %w", ctx.Err())
		}
		return "", fmt.Errorf("%s: %w", command[0], err)
	}
	err = login(u, do)
	if err == nil {
		err = use(do)
	}
	if closed := conn.Close(); err == nil && !errors.Is(closed, net.ErrClosed) {
		err = closed
	}
	return err
}

func login(u *url.URL, do redisDo) error {
	if password, set := u.User.Password(); set {
		auth := []string{"AUTH", password}
		if u.User.Username() != "" {
			auth = []string{"AUTH", u.User.Username(), password}
		}
		if _, err := do(auth...); err != nil {
			return fmt.Errorf("the server refuses the user name or password: %w", err)
		}
	}
	if db := strings.Trim(u.Path, "/"); db != "" && db != "0" {
		if _, err := do("SELECT", db); err != nil {
			return err
		}
	}
	return nil
}

// simple takes the value out of a RESP answer that is not an array.
func simple(raw string) (string, error) {
	if raw == "" {
		return "", proto.ErrProtocol
	}
	line := strings.TrimSuffix(raw[1:], "\r\n")
	switch raw[0] {
	case '+', ':':
		return line, nil
	case '-':
		return "", errors.New(line)
	case '$':
		if line == "-1" {
			return "", nil
		}
		return proto.ReadString(raw)
	case '_':
		return "", nil
	default:
		return "", proto.ErrUnexpected
	}
}

// Redis has no names for databases, only 16 numbers. One's own is claimed in database 0, by a
// key that expires should its owner be killed, and marked inside, so that what a killed owner
// left there may be thrown away and what belongs to others may not.
const (
	redisClaim  = "course-lab:claim:"
	redisMark   = "course-lab:owner"
	redisExpiry = "3600"
)

func isolateRedis(
	ctx context.Context, a address, name string,
) (string, func(context.Context) error, error) {
	u, err := url.Parse(a.URL)
	if err != nil {
		return "", nil, fmt.Errorf("read the Redis URL: %w", err)
	}
	u.Path = "/0"
	root := u.String()
	var number int
	err = withRedis(ctx, root, func(do redisDo) error {
		for n := 1; n < 16 && number == 0; n++ {
			got, err := do("SET", redisClaim+strconv.Itoa(n), name, "NX", "EX", redisExpiry)
			if err != nil {
				return err
			}
			if got != "OK" {
				continue
			}
			free, err := takeDatabase(do, n, name)
			if err != nil {
				return err
			}
			if free {
				number = n
			}
		}
		if number == 0 {
			return errors.New("none of the databases 1 to 15 is free: FLUSHALL empties them")
		}
		return nil
	})
	if err != nil {
		return "", nil, fmt.Errorf("a Redis database of one's own: %w", err)
	}
	u.Path = "/" + strconv.Itoa(number)
	remove := func(ctx context.Context) error {
		return withRedis(ctx, root, func(do redisDo) error {
			return sequence(do, "SELECT "+strconv.Itoa(number), "FLUSHDB",
				"SELECT 0", "DEL "+redisClaim+strconv.Itoa(number))
		})
	}
	return u.String(), remove, nil
}

// takeDatabase empties and marks database n when it is nobody's, and gives the claim back when
// it holds somebody's data. The connection is back at database 0 afterwards.
func takeDatabase(do redisDo, n int, name string) (bool, error) {
	number := strconv.Itoa(n)
	if err := sequence(do, "SELECT "+number); err != nil {
		return false, err
	}
	size, err := do("DBSIZE")
	if err != nil {
		return false, err
	}
	mark, err := do("GET", redisMark)
	if err != nil {
		return false, err
	}
	if size != "0" && mark == "" {
		return false, sequence(do, "SELECT 0", "DEL "+redisClaim+number)
	}
	return true, sequence(do, "FLUSHDB", "SET "+redisMark+" "+name, "SELECT 0")
}

func sequence(do redisDo, commands ...string) error {
	for _, c := range commands {
		if _, err := do(strings.Fields(c)...); err != nil {
			return err
		}
	}
	return nil
}
