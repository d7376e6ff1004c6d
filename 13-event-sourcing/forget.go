package eventsourcing

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"

	"course.example/shop"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Events are not changed, and a customer may want to be forgotten. So what is personal in an
// event is encrypted with a key that belongs to this customer alone, and the keys are in a
// table of their own, which is not a log. Delete the key, and nobody can read the data any
// more, not even in an old copy of the log (crypto-shredding). The bytes stay where they are,
// and so the versions, the sums and the hashes are what they were.
//
// This holds only if nobody keeps the key, or the clear text. Snapshots have the sealed text,
// read models a name that says nothing, and keys are read again each time they are needed.
// A backup of the keys must be deleted soon; one of the log may be kept.

// Forgotten is shown in place of what cannot be read any more.
const Forgotten = "forgotten"

// ErrForgotten says that there is no key for what is sealed.
var ErrForgotten = errors.New("the customer is forgotten: nobody can read the address any more")

// Sealed is a text that can be read only with the key of its customer. The zero value is none.
type Sealed struct {
	Customer uuid.UUID `json:"customer"` // a random name: it says nothing about the person
	Text     []byte    `json:"text"`     // AES-256-GCM: nonce, encrypted text, tag
}

func (s Sealed) validate(clear string) error {
	switch {
	case s.Customer == uuid.Nil && s.Text == nil:
		return nil
	case s.Customer == uuid.Nil || len(s.Text) == 0:
		return errors.New("personal: must have a customer and a text")
	case clear != "":
		return errors.New("personal: the same text is there in the clear, too")
	}
	return nil
}

// private is an event that says something personal: either in the clear or sealed.
type private interface {
	Event
	clear() string
	sealed() Sealed
	with(Sealed) Event // in place of the clear text
}

func (e OrderPlaced) clear() string     { return e.UserEmail }
func (e OrderPlaced) sealed() Sealed    { return e.Personal }
func (e OrderCancelled) clear() string  { return e.Reason }
func (e OrderCancelled) sealed() Sealed { return e.Personal }

func (e OrderPlaced) with(s Sealed) Event {
	e.UserEmail, e.Personal = "", s
	return e
}

func (e OrderCancelled) with(s Sealed) Event {
	e.Reason, e.Personal = "", s
	return e
}

// customer is what read models call the customer: his random name. The address only if the
// order is older than keys: then the log has it in the clear anyway.
func (e OrderPlaced) customer() string {
	if e.Personal.Text == nil {
		return e.UserEmail
	}
	return e.Personal.Customer.String()
}

// key is the key of one customer.
type key struct {
	customer uuid.UUID
	email    string
	aead     cipher.AEAD
}

const keyBytes = 32 // AES-256

// seal binds a text to its order: moved to another one it cannot be opened.
func (k key) seal(order uuid.UUID, text string) Sealed {
	return Sealed{k.customer, k.aead.Seal(nil, nil, []byte(text), order[:])}
}

// findKeys returns the keys of customers, by address and by name. Whoever is missing in the
// answer has none.
type findKeys func(
	ctx context.Context, db querier, emails []string, customers [][16]byte,
) ([]key, error)

// readKeys asks the table, each time: a key that a process keeps outlives its customer.
func readKeys(
	ctx context.Context, db querier, emails []string, customers [][16]byte,
) ([]key, error) {
	rows, err := db.Query(ctx, `SELECT customer, email, key FROM customer_keys
		WHERE email = ANY($1::text[]) OR customer = ANY($2::uuid[])`, emails, customers)
	if err != nil {
		return nil, fmt.Errorf("read the keys: %w", err)
	}
	keys, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (k key, err error) {
		var secret []byte
		if err = row.Scan(&k.customer, &k.email, &secret); err != nil {
			return k, err
		}
		block, err := aes.NewCipher(secret)
		if err == nil {
			k.aead, err = cipher.NewGCMWithRandomNonce(block)
		}
		return k, err
	})
	if err != nil {
		return nil, fmt.Errorf("read the keys: %w", err)
	}
	return keys, nil
}

// owner is the customer of an order: by name, or by address where there is no name.
type owner struct {
	customer uuid.UUID
	email    string
}

func ownerOf(o Order) owner {
	if o.SealedEmail.Text == nil { // the order is older than keys
		return owner{email: o.UserEmail}
	}
	return owner{customer: o.SealedEmail.Customer}
}

// private calls do for each event that says something personal in the clear.
func (e *entry) private(do func(i int, event private, of owner)) {
	for i, event := range e.events {
		said, ok := event.(private)
		if !ok || said.clear() == "" {
			continue
		}
		of := e.owner
		if placed, ok := event.(OrderPlaced); ok {
			of = owner{email: placed.UserEmail}
		}
		do(i, said, of)
	}
}

// seal seals what is personal in a batch. All keys that it needs are one question to the
// database. What somebody says who is forgotten already is not written down.
func (p *Producer) seal(ctx context.Context, batch []*entry) error {
	if p.settings.Writes < sealedSince {
		return nil
	}
	wanted := map[owner]bool{}
	for _, e := range batch {
		e.private(func(_ int, _ private, of owner) { wanted[of] = true })
	}
	if len(wanted) == 0 {
		return nil
	}
	keys, err := p.keysOf(ctx, wanted)
	if err != nil {
		return err
	}
	for _, e := range batch {
		events := slices.Clone(e.events)
		e.private(func(j int, event private, of owner) {
			var s Sealed
			if k, ok := keys[of]; ok {
				s = k.seal(e.stream, event.clear())
			}
			events[j] = event.with(s)
		})
		e.events = events
	}
	return nil
}

// keysOf returns the keys of the owners. A customer who is new gets one.
func (p *Producer) keysOf(ctx context.Context, owners map[owner]bool) (map[owner]key, error) {
	var emails []string
	var customers [][16]byte
	for o := range owners {
		if o.email != "" {
			emails = append(emails, o.email)
		} else {
			customers = append(customers, o.customer)
		}
	}
	for {
		found, err := p.keys(ctx, p.pool, emails, customers)
		if err != nil {
			return nil, err
		}
		keys := map[owner]key{}
		for _, k := range found {
			keys[owner{email: k.email}], keys[owner{customer: k.customer}] = k, k
		}
		missing := slices.DeleteFunc(slices.Clone(emails), func(email string) bool {
			_, found := keys[owner{email: email}]
			return found
		})
		if len(missing) == 0 {
			return keys, nil
		}
		if err := p.makeKeys(ctx, missing); err != nil {
			return nil, err
		}
	}
}

// makeKeys makes a key for each address. If another producer makes one at the same time, the
// first is kept: whoever needs it reads it from the table.
func (p *Producer) makeKeys(ctx context.Context, emails []string) error {
	secrets := make([][]byte, len(emails))
	for i := range secrets {
		secrets[i] = make([]byte, keyBytes)
		_, _ = rand.Read(secrets[i]) // it never fails
	}
	_, err := p.pool.Exec(ctx, `
		INSERT INTO customer_keys (email, key)
		SELECT email, key FROM unnest($1::text[], $2::bytea[]) n (email, key) ORDER BY email
		ON CONFLICT (email) DO NOTHING`, emails, secrets)
	if err != nil {
		return fmt.Errorf("make the keys of new customers: %w", err)
	}
	return nil
}

// opener has the keys that there are at this moment, by the customer's name.
type opener map[uuid.UUID]key

func newOpener(
	ctx context.Context, find findKeys, db querier, sealed ...Sealed,
) (opener, error) {
	var customers [][16]byte
	for _, s := range sealed {
		if s.Text != nil {
			customers = append(customers, s.Customer)
		}
	}
	if len(customers) == 0 {
		return nil, nil
	}
	found, err := find(ctx, db, nil, customers)
	o := opener{}
	for _, k := range found {
		o[k.customer] = k
	}
	return o, err
}

// open returns what is sealed, or the clear text where nothing is.
func (o opener) open(order uuid.UUID, s Sealed, clear string) (string, error) {
	if s.Text == nil {
		return clear, nil
	}
	k, ok := o[s.Customer]
	if !ok {
		return Forgotten, ErrForgotten
	}
	text, err := k.aead.Open(nil, nil, s.Text, order[:])
	if err != nil {
		return "", fmt.Errorf("%w: what is sealed in order %s cannot be opened: %w",
			ErrUnreadable, order, err)
	}
	return string(text), nil
}

// show is open for people, who read that a customer is forgotten.
func (o opener) show(order uuid.UUID, s Sealed, clear string) (string, error) {
	text, err := o.open(order, s, clear)
	if errors.Is(err, ErrForgotten) {
		err = nil
	}
	return text, err
}

// shown opens what is sealed in an order.
func (p *Producer) shown(ctx context.Context, o Order) (Order, error) {
	keys, err := newOpener(ctx, p.keys, p.pool, o.SealedEmail, o.SealedReason)
	if err == nil {
		o.UserEmail, err = keys.show(o.ID, o.SealedEmail, o.UserEmail)
	}
	if err == nil {
		o.Reason, err = keys.show(o.ID, o.SealedReason, o.Reason)
	}
	o.SealedEmail, o.SealedReason = Sealed{}, Sealed{}
	return o, err
}

// forget deletes a customer's key, by address or by name. It is safe to ask again.
func (p *Producer) forget(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := withTimeout(r.Context(), p.settings)
	defer cancel()
	who := r.PathValue("customer")
	name, err := shop.ParseID(who)
	if err != nil {
		name = uuid.Nil // it is an address
	}
	gone, err := p.pool.Exec(ctx, `DELETE FROM customer_keys WHERE email = $1 OR customer = $2`,
		who, name)
	switch {
	case badData(err): // such as an address with a NUL
		fail(w, r, refuse(err, http.StatusBadRequest))
	case err != nil && !refused(err):
		fail(w, r, refuse(fmt.Errorf("nobody knows whether it was done: ask again: %w",
			explain(err)), http.StatusGatewayTimeout))
	case err != nil:
		fail(w, r, refuse(explain(err), http.StatusServiceUnavailable))
	case gone.RowsAffected() == 0:
		fail(w, r, refuse(errors.New("there is no such customer, or he is forgotten already"),
			http.StatusNotFound))
	default:
		slog.InfoContext(ctx, "a customer is forgotten")
		w.WriteHeader(http.StatusNoContent)
	}
}
