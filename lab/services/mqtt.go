package services

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"time"
)

// MQTT is RabbitMQ with its plugin for MQTT: one broker that speaks MQTT 3.1.1 and AMQP 0-9-1. It is a
// kind of its own, so that the brokers of all others need not start the plugin.
const MQTT Kind = "mqtt"

var mqtt = trait{
	kind: MQTT, title: "RabbitMQ with MQTT", env: "MQTT_URL", ports: []int{1883, 5673}, apart: true,
	address: func(ports []int) address {
		url := func(scheme string, port int, path string) string {
			return fmt.Sprintf("%s://%s:%s@127.0.0.1:%d%s", scheme, rabbitUser, rabbitUser, port, path)
		}
		return address{URL: url("tcp", ports[0], ""), Management: url("amqp", ports[1], "/")}
	},
	handshake: mqttHandshake, named: findAMQP,
	also: func(s *Server, _ Servers) map[string]string {
		return map[string]string{rabbitmq.env: s.management}
	},
	tool: rabbitmq.tool, boot: rabbitmq.boot, image: rabbitmq.image, inside: []int{1883, 5672},
	containerEnv: []string{"RABBITMQ_ENABLED_PLUGINS=rabbitmq_mqtt"},
	native:       &native{find: findRabbit, prepare: prepareMQTT, more: 1, grace: time.Minute},
	packages:     rabbitmq.packages,
}

// prepareMQTT takes three ports: MQTT, AMQP, Erlang distribution.
func prepareMQTT(ctx context.Context, n node) (*process, error) {
	settings := fmt.Sprintf(
		"[{rabbitmq_mqtt, [{tcp_listeners, [{\"127.0.0.1\", %d}]}]}].\n", n.ports[0])
	n.ports = []int{n.ports[1], n.ports[0], n.ports[2]}
	return prepareWith(ctx, n, "rabbitmq_mqtt", settings)
}

// findAMQP completes the address of a broker that MQTT_URL names: AMQP is where AMQP_URL says, and
// otherwise on the same host at the usual port.
func findAMQP(ctx context.Context, a address) (address, error) {
	a.Management = os.Getenv(rabbitmq.env)
	if a.Management == "" {
		u, err := url.Parse(a.URL)
		if err != nil {
			return a, fmt.Errorf("read the MQTT URL: %w", err)
		}
		amqp := url.URL{Scheme: "amqp", User: u.User, Host: u.Hostname() + ":5672", Path: "/"}
		a.Management = amqp.String()
	}
	_, err := mqttHandshake(ctx, a)
	return a, err
}

// mqttHandshake logs in by MQTT, and by AMQP where it is known, which tells the version.
func mqttHandshake(ctx context.Context, a address) (version string, err error) {
	if a.Management != "" {
		if version, err = rabbitHandshake(ctx, address{URL: a.Management}); err != nil {
			return "", err
		}
	}
	return version, loginMQTT(ctx, a.URL)
}

// loginMQTT sends CONNECT and reads CONNACK (MQTT 3.1.1, 3.1 and 3.2).
func loginMQTT(ctx context.Context, rawURL string) (err error) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Scheme != "tcp" || u.Port() == "" {
		return errors.New("an MQTT URL has the form tcp://user:password@host:port")
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // ends a handshake that hangs
	defer stop()
	answer := make([]byte, 4)
	if _, err = conn.Write(mqttConnect(u.User)); err == nil {
		_, err = io.ReadFull(conn, answer)
	}
	closed := conn.Close()
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("no MQTT handshake in time: %w", ctx.Err())
	case err != nil:
		return fmt.Errorf("the MQTT handshake: %w", err)
	case answer[0] != 0x20:
		return fmt.Errorf("what answers there is not MQTT: %q", answer)
	case answer[3] == 4 || answer[3] == 5:
		return fmt.Errorf("MQTT: the broker refuses the user name or password (%d)", answer[3])
	case answer[3] != 0:
		return fmt.Errorf("MQTT: the broker refuses the connection (%d)", answer[3])
	}
	return closed
}

// mqttConnect is the packet CONNECT with a clean session.
func mqttConnect(user *url.Userinfo) []byte {
	password, _ := user.Password()
	var body bytes.Buffer
	text := func(s string) {
		body.Write([]byte{byte(len(s) >> 8), byte(len(s))})
		body.WriteString(s)
	}
	text("MQTT")
	body.Write([]byte{4, 0xc2, 0, 10}) // 3.1.1; user, password and clean session; keep alive 10 s
	text("")                           // the broker chooses the identity
	text(user.Username())
	text(password)
	return append([]byte{0x10, byte(body.Len())}, body.Bytes()...)
}
