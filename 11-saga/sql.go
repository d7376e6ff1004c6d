package saga

import (
	"cmp"
	"context"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// columns are the rows of a batch, as unnest takes them: one array for each column
// and one statement for all rows.
type columns struct {
	arrays []any // of a type that needs no asking the database what it is
	rows   int64
}

// add adds a row of texts, whole numbers and times.
func (c *columns) add(values ...any) {
	if c.arrays == nil {
		c.arrays = make([]any, len(values))
	}
	for i, value := range values {
		switch v := reflect.ValueOf(value); v.Kind() {
		case reflect.String:
			texts, _ := c.arrays[i].([]string)
			c.arrays[i] = append(texts, v.String())
		case reflect.Int, reflect.Int64:
			numbers, _ := c.arrays[i].([]int64)
			c.arrays[i] = append(numbers, v.Int())
		default:
			times, _ := c.arrays[i].([]time.Time)
			c.arrays[i] = append(times, value.(time.Time))
		}
	}
	c.rows++
}

// exec writes all rows, or none of them: errConflict says that another process has
// been there first.
func (c *columns) exec(ctx context.Context, tx pgx.Tx, query string) error {
	if c.rows == 0 {
		return nil
	}
	tag, err := tx.Exec(ctx, query, c.arrays...)
	if err == nil && tag.RowsAffected() != c.rows {
		return errConflict
	}
	return err
}

// sorted are the keys in one order for all processes: two that lock the same rows
// in different orders would wait for each other forever.
func sorted[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

func unique(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}
