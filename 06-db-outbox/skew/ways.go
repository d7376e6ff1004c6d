package skew

import "github.com/jackc/pgx/v5"

// Way is how a doctor's transaction is kept apart from that of another.
type Way struct {
	Name  string
	Level pgx.TxIsoLevel
	Lock  string // a statement before the look, if any
	Right bool   // whether somebody stays
}

const (
	// lockDoctors locks the rows that the decision is about. In the order of their names:
	// two who lock the same rows in two orders wait for each other.
	lockDoctors = `SELECT FROM doctors WHERE shift = $1 AND on_call ORDER BY name FOR UPDATE`
	// lockShift locks a row that stands for all of them. It is there also when the rows to
	// lock are not, such as a booking that nobody has made yet.
	lockShift = `SELECT FROM shifts WHERE id = $1 FOR UPDATE`
)

// Ways are all of them. REPEATABLE READ is PostgreSQL's snapshot isolation: each one sees
// the data of its beginning, and only two who write the same row collide.
var Ways = []Way{
	{Name: "READ COMMITTED", Level: pgx.ReadCommitted},
	{Name: "REPEATABLE READ", Level: pgx.RepeatableRead},
	{Name: "SERIALIZABLE", Level: pgx.Serializable, Right: true},
	{Name: "FOR UPDATE", Level: pgx.ReadCommitted, Lock: lockDoctors, Right: true},
	{Name: "materialised conflict", Level: pgx.ReadCommitted, Lock: lockShift, Right: true},
}
