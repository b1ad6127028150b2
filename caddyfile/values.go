package caddyfile

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/dustin/go-humanize"
)

// once remembers which options a block has had.
type once map[string]bool

func (o once) check(d *caddyfile.Dispenser, option string) error {
	if o[option] {
		return d.Errf("%s already specified", option)
	}
	o[option] = true
	return nil
}

// nothing makes sure that an option has no arguments.
func nothing(d *caddyfile.Dispenser) error {
	name := d.Val()
	if d.NextArg() {
		return d.Errf("%s takes no arguments", name)
	}
	return nil
}

// text reads an option's only argument. Its errors do not repeat the argument, which may be a secret.
func text(d *caddyfile.Dispenser) (string, error) {
	name := d.Val()
	args := d.RemainingArgs()
	if len(args) != 1 || args[0] == "" {
		return "", d.Errf("%s takes exactly one argument", name)
	}
	return args[0], nil
}

// word reads an argument that must be one of those allowed.
func word(d *caddyfile.Dispenser, allowed []string) (string, error) {
	name := d.Val()
	value, err := text(d)
	if err != nil {
		return "", err
	}
	if err := checkWord(name, value, allowed); err != nil {
		return "", d.WrapErr(err)
	}
	return value, nil
}

// words reads one or more different arguments that must be among those allowed.
func words(d *caddyfile.Dispenser, allowed []string) ([]string, error) {
	name := d.Val()
	values := d.RemainingArgs()
	if len(values) == 0 {
		return nil, d.Errf("%s needs at least one argument", name)
	}
	for i, value := range values {
		if err := checkWord(name, value, allowed); err != nil {
			return nil, d.WrapErr(err)
		}
		if slices.Contains(values[:i], value) {
			return nil, d.Errf("%s already lists '%s'", name, value)
		}
	}
	return values, nil
}

// patterns reads one or more patterns of model names.
func patterns(d *caddyfile.Dispenser) ([]string, error) {
	name := d.Val()
	values := d.RemainingArgs()
	if len(values) == 0 {
		return nil, d.Errf("%s needs at least one argument", name)
	}
	for _, value := range values {
		if err := checkPattern(name, value); err != nil {
			return nil, d.WrapErr(err)
		}
	}
	return values, nil
}

// smallCount reads an option's only argument, a whole number of at least 1.
func smallCount(d *caddyfile.Dispenser) (int, error) {
	name := d.Val()
	if d.CountRemainingArgs() > 1 {
		return 0, d.Errf("%s takes exactly one argument", name)
	}
	n, err := nextCount(d)
	if err == nil && n > math.MaxInt32 {
		err = d.Errf("%s is too large", name)
	}
	return int(n), err
}

// nextCount reads the next argument as a whole number of at least 1. Digits may be grouped with underscores.
func nextCount(d *caddyfile.Dispenser) (int64, error) {
	name := d.Val()
	if !d.NextArg() {
		return 0, d.Errf("%s needs a number", name)
	}
	n, err := strconv.ParseInt(strings.ReplaceAll(d.Val(), "_", ""), 10, 64)
	if err != nil || n < 1 {
		return 0, d.Errf("%s must be a whole number of at least 1, not '%s'", name, d.Val())
	}
	return n, nil
}

// percent reads an option's only argument, a whole number from 1 to 100. The sign may follow.
func percent(d *caddyfile.Dispenser) (int, error) {
	name := d.Val()
	arg, err := text(d)
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(strings.TrimSuffix(arg, "%"))
	if err != nil || n < 1 || n > 100 {
		return 0, d.Errf("%s must be a percentage from 1 to 100, not '%s'", name, arg)
	}
	return n, nil
}

// size reads an option's only argument, a number of bytes such as 32MiB.
func size(d *caddyfile.Dispenser) (int64, error) {
	name := d.Val()
	value, err := text(d)
	if err != nil {
		return 0, err
	}
	n, err := humanize.ParseBytes(value)
	if err != nil || n < 1 || n > math.MaxInt64 {
		return 0, d.Errf("%s must be a size of at least 1 byte, such as 32MiB, not '%s'", name, value)
	}
	return int64(n), nil
}

// duration reads an option's only argument, a duration longer than nothing.
func duration(d *caddyfile.Dispenser) (caddy.Duration, error) {
	durations, err := durations(d, 1)
	if err != nil {
		return 0, err
	}
	return durations[0], nil
}

// durations reads an option's arguments, at least one and at most limit of them, as durations longer than nothing.
func durations(d *caddyfile.Dispenser, limit int) ([]caddy.Duration, error) {
	name := d.Val()
	args := d.RemainingArgs()
	switch {
	case len(args) == 0:
		return nil, d.Errf("%s needs a duration", name)
	case len(args) > limit:
		return nil, d.Errf("%s has too many arguments", name)
	}
	values := make([]caddy.Duration, len(args))
	for i, arg := range args {
		value, err := caddy.ParseDuration(arg)
		if err != nil || value <= 0 {
			return nil, d.Errf("%s must be a duration such as 5s, not '%s'", name, arg)
		}
		values[i] = caddy.Duration(value)
	}
	return values, nil
}

// durationOrZero is like duration, for options that 0 switches off.
func durationOrZero(d *caddyfile.Dispenser) (*caddy.Duration, error) {
	name := d.Val()
	arg, err := text(d)
	if err != nil {
		return nil, err
	}
	value, err := caddy.ParseDuration(arg)
	if err != nil || value < 0 {
		return nil, d.Errf("%s must be a duration such as 15s, or 0, not '%s'", name, arg)
	}
	return new(caddy.Duration(value)), nil
}

// durationOrOff is like duration, for options that the word off switches off; that is 0.
func durationOrOff(d *caddyfile.Dispenser) (*caddy.Duration, error) {
	name := d.Val()
	arg, err := text(d)
	if err != nil {
		return nil, err
	}
	if arg == "off" {
		return new(caddy.Duration(0)), nil
	}
	value, err := caddy.ParseDuration(arg)
	if err != nil || value <= 0 {
		return nil, d.Errf("%s must be off or a duration such as 1h, not '%s'", name, arg)
	}
	return new(caddy.Duration(value)), nil
}

// guest reads the name of a module in a namespace, lets the module read the rest of the line and its block, and returns its JSON
// with the name under the inline key. The module must be a T.
func guest[T any](d *caddyfile.Dispenser, namespace, inlineKey string) (json.RawMessage, error) {
	option := d.Val()
	if !d.NextArg() {
		return nil, d.Errf("%s needs the name of a module %s*", option, namespace)
	}
	name := d.Val()
	unm, err := caddyfile.UnmarshalModule(d, namespace+name)
	if err != nil {
		return nil, err
	}
	if _, ok := unm.(T); !ok {
		return nil, d.Errf("module %s%s (%T) is not a %s", namespace, name, unm, reflect.TypeFor[T]())
	}
	return caddyconfig.JSONModuleObject(unm, inlineKey, name, nil), nil
}

func checkWord(name, value string, allowed []string) error {
	if !slices.Contains(allowed, value) {
		return fmt.Errorf("%s cannot be '%s': use %s", name, value, strings.Join(allowed, ", "))
	}
	return nil
}
