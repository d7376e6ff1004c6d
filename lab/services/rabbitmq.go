package services

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

func rabbitAddress(port, management int) address {
	page := fmt.Sprintf("http://127.0.0.1:%d", management)
	return address{
		URL:  fmt.Sprintf("amqp://%s:%s@127.0.0.1:%d/", rabbitUser, rabbitUser, port),
		Page: page, Login: rabbitUser + " / " + rabbitUser, Management: page,
	}
}

// rabbitHandshake connects, logs in, opens the vhost and a channel. When the management API is
// known it must answer too: the page is part of the lesson, and it comes up after the broker.
func rabbitHandshake(ctx context.Context, a address) (string, error) {
	conn, err := dialRabbit(ctx, a.URL)
	if err != nil {
		return "", err
	}
	version, _ := conn.Properties["version"].(string)
	product, _ := conn.Properties["product"].(string)
	if product != "RabbitMQ" {
		version = product + " " + version
	}
	if err := conn.Close(); err != nil {
		return "", fmt.Errorf("close the connection: %w", err)
	}
	if a.Management == "" {
		return version, nil
	}
	_, err = manage(ctx, a, http.MethodGet, "/api/overview", nil)
	return version, err
}

// dialRabbit bounds the whole handshake by the context: a listener that accepts and says
// nothing must not hold anybody up.
func dialRabbit(ctx context.Context, rawURL string) (*amqp.Connection, error) {
	stop := func() bool { return true }
	config := amqp.Config{
		Properties: amqp.Table{"connection_name": "lab"},
		Dial: func(network, addr string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			if deadline, ok := ctx.Deadline(); ok {
				// A little later than the context, so that it is the one to say what happened.
				if err := conn.SetDeadline(deadline.Add(time.Second)); err != nil {
					return nil, errors.Join(err, conn.Close())
				}
			}
			// Closing it is what ends a handshake that hangs.
			stop = context.AfterFunc(ctx, func() { _ = conn.Close() })
			return conn, nil
		},
	}
	conn, err := amqp.DialConfig(rawURL, config)
	stop()
	var refused *amqp.Error
	switch {
	case err == nil:
		return conn, nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("no AMQP handshake in time: %w", ctx.Err())
	case errors.As(err, &refused) && refused.Code == amqp.AccessRefused:
		return nil, fmt.Errorf("the broker refuses the user name or password: %w", err)
	default:
		return nil, err
	}
}

// errNoSuch is the management API's 404.
var errNoSuch = errors.New("no such thing")

// manage calls the management API with the credentials of the AMQP URL, unless the API's own
// URL has some, and returns the answer's body.
func manage(ctx context.Context, a address, method, path string, body any) ([]byte, error) {
	amqpURI, err := amqp.ParseURI(a.URL)
	if err != nil {
		return nil, fmt.Errorf("AMQP URL: %w", err)
	}
	base, err := url.Parse(a.Management)
	if err != nil {
		return nil, fmt.Errorf("management URL: %w", err)
	}
	user, password := amqpURI.Username, amqpURI.Password
	if base.User != nil {
		user = base.User.Username()
		password, _ = base.User.Password()
		base.User = nil
	}
	var reader io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		reader = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, base.String()+path, reader)
	if err != nil {
		return nil, fmt.Errorf("management API: %w", err)
	}
	req.SetBasicAuth(user, password)
	req.Header.Set("Content-Type", "application/json")
	return doHTTP(req, "management API")
}

// managementOf guesses where a broker has its management API when nobody says: on the broker's
// host at the usual port.
func managementOf(amqpURL string) string {
	if set := os.Getenv("RABBITMQ_MANAGEMENT_URL"); set != "" {
		return set
	}
	uri, err := amqp.ParseURI(amqpURL)
	if err != nil {
		return ""
	}
	return "http://" + net.JoinHostPort(uri.Host, "15672")
}

func removeVhost(ctx context.Context, a address, name string) error {
	_, err := manage(ctx, a, http.MethodDelete, "/api/vhosts/"+url.PathEscape(name), nil)
	if err != nil && !errors.Is(err, errNoSuch) {
		return fmt.Errorf("remove vhost %s: %w", name, err)
	}
	return nil
}

// isolateRabbit makes a vhost of one's own: exchanges and queues in it never meet others.
func isolateRabbit(
	ctx context.Context, a address, name string,
) (string, func(context.Context) error, error) {
	uri, err := amqp.ParseURI(a.URL)
	if err != nil {
		return "", nil, fmt.Errorf("AMQP URL: %w", err)
	}
	if a.Management == "" {
		a.Management = managementOf(a.URL)
	}
	path := "/api/vhosts/" + url.PathEscape(name)
	if _, err := manage(ctx, a, http.MethodPut, path, struct{}{}); err != nil {
		return "", nil, fmt.Errorf("make vhost %s (set RABBITMQ_MANAGEMENT_URL when the "+
			"management API is elsewhere): %w", name, err)
	}
	remove := func(ctx context.Context) error { return removeVhost(ctx, a, name) }
	all := map[string]string{"configure": ".*", "write": ".*", "read": ".*"}
	grant := "/api/permissions/" + url.PathEscape(name) + "/" + url.PathEscape(uri.Username)
	if _, err := manage(ctx, a, http.MethodPut, grant, all); err != nil {
		err = fmt.Errorf("permissions on vhost %s: %w", name, err)
		return "", nil, errors.Join(err, remove(ctx))
	}
	u, err := url.Parse(a.URL)
	if err != nil {
		return "", nil, errors.Join(fmt.Errorf("AMQP URL: %w", err), remove(ctx))
	}
	u.Path, u.RawPath = "/"+name, "/"+url.PathEscape(name)
	return u.String(), remove, nil
}
