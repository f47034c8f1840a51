/* Plain messages in C: what hub.ingest, actors.thing.absorb and actors.thing.noticing do with most of what things tell.
 *
 * The Python code is the specification. Whatever is not as nearly all messages are is left to it: both functions then
 * return None, and nothing has changed. tests/actors/thing/test_quiet_in_c.py holds both against each other. */

#include "../runtime/slots.h"

#include <datetime.h>
#include <stdbool.h>
#include <string.h>

enum { M_ID, M_AT, M_PROTOCOL, M_NAMES, M_VALUES };
static const char *const PLAIN[] = {"message_id", "received_at", "protocol", "names", "values", NULL};
enum { D_ID, D_AT, D_PROTOCOL, D_READINGS };
static const char *const DEVICE[] = {"message_id", "received_at", "protocol", "readings", NULL};
enum { R_NAME, R_VALUE, R_UNIT, R_OBSERVED, R_QUALITY, R_STATUS };
static const char *const READING[] = {"name", "value", "unit", "observed_at", "quality", "status", NULL};
enum { Q_KIND, Q_UNIT, Q_MINIMUM, Q_MAXIMUM };
static const char *const PROPERTY[] = {"kind", "unit", "minimum", "maximum", NULL};
enum { S_RECORD, S_PROFILE, S_COMMUNITIES, S_NUMBERS, S_LATEST, S_SLOTS, S_COMPONENTS, S_FAULTS, S_HAPPENED, S_NEEDS, S_MESSAGES };
static const char *const STATE[] = {"record", "profile", "communities", "numbers", "latest", "slots", "components",
                                    "faults", "happened", "needs", "messages", NULL};
enum { N_NAMES, N_SOURCE_AT, N_SOURCE_TIMES };
static const char *const NUMBERS[] = {"names", "source_at", "source_times", NULL};
enum { L_LEVELS, L_REFILLS, L_FILLED_AT, L_FILLED_TO, L_USAGE, L_SKU, L_LIFE, L_PEERS, L_ASKED };
static const char *const SLOT[] = {"levels", "refills", "filled_at", "filled_to", "usage_at_fill",
                                   "sku", "last_life", "peers", "peers_asked_at", NULL};
static const char *const FIRST[] = {"levels", "filled_at", "filled_to", NULL};
enum { P_PROFILE, P_SHAPES };
static const char *const PLAN[] = {"profile", "shapes", NULL};
enum { H_NAMES, H_SORT, H_LEVELS, H_WATCHED };
static const char *const SHAPE[] = {"names", "sort", "levels", "watched", NULL};
enum { F_NAME, F_SLOTS, F_COMPONENTS, F_EVENTS };
static const char *const PROFILE[] = {"name", "slots", "components", "events", NULL};
enum { C_LOW_AT, C_STEP, C_USAGE };
static const char *const SPEC[] = {"low_at", "refill_step", "usage", NULL};
enum { T_RETIRED };
static const char *const RECORD[] = {"retired_at", NULL};

static Layout Plain, Device, Reading, Property, State, Numbers, Slot, Plan, Shape, Profile, Spec, Record;
static PyObject *a_number, *is_good, *extended, *may_be_low, *nothing; /* bound */
static double surely_short_s;                                           /* likewise */
static PyObject *plain_fields, *state_fields, *slot_fields, *first_fields, *no_bytes;

enum { MOST_READINGS = 64, PAIR = 16 };

static PyObject *bind(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *types, *rules[5];
    if (!PyArg_ParseTuple(args, "O!OOOOO!d", &PyTuple_Type, &types, &rules[0], &rules[1], &rules[2], &rules[3],
                          &PyDict_Type, &rules[4], &surely_short_s))
        return NULL;
    static Layout *const layouts[] = {&Plain, &Device, &Reading, &Property, &State, &Numbers,
                                      &Slot, &Plan, &Shape, &Profile, &Spec, &Record};
    static const char *const *const fields[] = {PLAIN, DEVICE, READING, PROPERTY, STATE, NUMBERS,
                                                SLOT, PLAN, SHAPE, PROFILE, SPEC, RECORD};
    if (PyTuple_GET_SIZE(types) != 12)
        return PyErr_Format(PyExc_TypeError, "expected twelve classes");
    for (int i = 0; i < 12; i++)
        if (layout_of(layouts[i], PyTuple_GET_ITEM(types, i), fields[i]))
            return NULL;
    PyObject **const bound[] = {&a_number, &is_good, &extended, &may_be_low, &nothing};
    for (int i = 0; i < 5; i++)
        Py_XSETREF(*bound[i], Py_NewRef(rules[i]));
    Py_RETURN_NONE;
}

/* Read a float, or an int that is one exactly. */
static bool is_double(PyObject *object, double *value)
{
    if (PyFloat_CheckExact(object)) {
        *value = PyFloat_AS_DOUBLE(object);
        return true;
    }
    if (!PyLong_CheckExact(object))
        return false;
    int overflow;
    long long whole = PyLong_AsLongLongAndOverflow(object, &overflow);
    *value = (double)whole;
    return overflow == 0 && whole <= (1LL << 53) && whole >= -(1LL << 53);
}

static bool same_text(PyObject *one, PyObject *other)
{
    if (one == other)
        return true;
    return PyUnicode_CheckExact(one) && PyUnicode_CheckExact(other) && PyUnicode_Compare(one, other) == 0;
}

/* plain(message, properties): see hub.ingest. */

static bool in_range(double value, PyObject *minimum, PyObject *maximum)
{
    double limit;
    if (minimum != Py_None && !(is_double(minimum, &limit) && value >= limit))
        return false;
    return maximum == Py_None || (is_double(maximum, &limit) && value <= limit);
}

/* Say whether a reading is a good number in its property's own unit and range, and says no more. */
static bool is_plain(PyObject *reading, PyObject *properties)
{
    if (!is_a(&Reading, reading))
        return false;
    PyObject *name = field(&Reading, reading, R_NAME), *value = field(&Reading, reading, R_VALUE);
    PyObject *unit = field(&Reading, reading, R_UNIT);
    if (!PyUnicode_CheckExact(name) || !PyFloat_CheckExact(value) || !Py_IS_FINITE(PyFloat_AS_DOUBLE(value)))
        return false;
    if (field(&Reading, reading, R_QUALITY) != is_good || field(&Reading, reading, R_OBSERVED) != Py_None ||
        field(&Reading, reading, R_STATUS) != Py_None)
        return false;
    PyObject *spec = PyDict_GetItemWithError(properties, name);
    if (spec == NULL || !is_a(&Property, spec) || field(&Property, spec, Q_KIND) != a_number)
        return false;
    if (unit != Py_None && !same_text(unit, field(&Property, spec, Q_UNIT)))
        return false;
    return in_range(PyFloat_AS_DOUBLE(value), field(&Property, spec, Q_MINIMUM), field(&Property, spec, Q_MAXIMUM));
}

static bool told_before(PyObject *names, Py_ssize_t count, PyObject *name)
{
    for (Py_ssize_t i = 0; i < count; i++)
        if (same_text(PyTuple_GET_ITEM(names, i), name))
            return true;
    return false;
}

static PyObject *plain(PyObject *Py_UNUSED(self), PyObject *const *args, Py_ssize_t count)
{
    if (count != 2 || !is_a(&Device, args[0]) || !PyDict_CheckExact(args[1]))
        Py_RETURN_NONE;
    PyObject *message = args[0], *readings = field(&Device, message, D_READINGS), *made = NULL;
    Py_ssize_t told = PyTuple_CheckExact(readings) ? PyTuple_GET_SIZE(readings) : 0;
    if (told == 0 || told > MOST_READINGS)
        Py_RETURN_NONE;
    PyObject *names = PyTuple_New(told), *values = PyTuple_New(told);
    bool fits = names != NULL && values != NULL;
    for (Py_ssize_t i = 0; fits && i < told; i++) {
        PyObject *reading = PyTuple_GET_ITEM(readings, i);
        fits = is_plain(reading, args[1]) && !told_before(names, i, field(&Reading, reading, R_NAME));
        if (fits) {
            PyTuple_SET_ITEM(names, i, Py_NewRef(field(&Reading, reading, R_NAME)));
            PyTuple_SET_ITEM(values, i, Py_NewRef(field(&Reading, reading, R_VALUE)));
        }
    }
    if (fits) {
        PyObject *parts[] = {field(&Device, message, D_ID), field(&Device, message, D_AT),
                             field(&Device, message, D_PROTOCOL), names, values};
        made = PyObject_Vectorcall((PyObject *)Plain.type, parts, 0, plain_fields);
    } else if (!PyErr_Occurred())
        made = Py_NewRef(Py_None);
    Py_XDECREF(names);
    Py_XDECREF(values);
    return made;
}

/* quiet(plans, current, state, message): see actors.thing.core.
 *
 * Functions below that return an object return NULL without an exception where Python must look at the message. */

static PyObject *pairs_with(const char *former, Py_ssize_t size, double at, double level)
{
    PyObject *levels = PyBytes_FromStringAndSize(NULL, size + PAIR);
    if (levels == NULL)
        return NULL;
    char *bytes = PyBytes_AS_STRING(levels);
    if (size > 0)
        memcpy(bytes, former, (size_t)size);
    PyFloat_Pack8(at, bytes + size, 1);
    PyFloat_Pack8(level, bytes + size + 8, 1);
    return levels;
}

/* Return a slot whose first level this is; see absorb._level. */
static PyObject *first_filled(PyObject *spec, PyObject *at, PyObject *level)
{
    if (field(&Spec, spec, C_USAGE) != Py_None)
        return NULL;
    PyObject *levels = pairs_with(NULL, 0, PyFloat_AS_DOUBLE(at), PyFloat_AS_DOUBLE(level));
    if (levels == NULL)
        return NULL;
    PyObject *parts[] = {levels, at, level};
    PyObject *slot = PyObject_Vectorcall((PyObject *)Slot.type, parts, 0, first_fields);
    Py_DECREF(levels);
    return slot;
}

/* Return a slot after one more level that is no refill; see absorb._level. */
static PyObject *drained(PyObject *slot, PyObject *spec, PyObject *at, PyObject *level)
{
    PyObject *known = field(&Slot, slot, L_LEVELS);
    double step;
    if (!PyBytes_CheckExact(known) || PyBytes_GET_SIZE(known) < PAIR || !is_double(field(&Spec, spec, C_STEP), &step))
        return NULL;
    Py_ssize_t size = PyBytes_GET_SIZE(known);
    if (!(PyFloat_AS_DOUBLE(level) < PyFloat_Unpack8(PyBytes_AS_STRING(known) + size - 8, 1) + step))
        return NULL;
    PyObject *levels = size < 48 * PAIR
        ? pairs_with(PyBytes_AS_STRING(known), size, PyFloat_AS_DOUBLE(at), PyFloat_AS_DOUBLE(level))
        : PyObject_CallFunctionObjArgs(extended, known, at, level, NULL);
    if (levels == NULL)
        return NULL;
    PyObject *parts[] = {levels, field(&Slot, slot, L_REFILLS), field(&Slot, slot, L_FILLED_AT),
                         field(&Slot, slot, L_FILLED_TO), field(&Slot, slot, L_USAGE), field(&Slot, slot, L_SKU),
                         Py_None, field(&Slot, slot, L_PEERS), field(&Slot, slot, L_ASKED)};
    PyObject *after = PyObject_Vectorcall((PyObject *)Slot.type, parts, 0, slot_fields);
    Py_DECREF(levels);
    return after;
}

/* Put one told level into the slots that it fills; false where Python must look, or with an exception. */
static bool filled(PyObject *slots, PyObject *told, PyObject *at, PyObject *level)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(told); i++) {
        PyObject *pair = PyTuple_GET_ITEM(told, i);
        if (!PyTuple_CheckExact(pair) || PyTuple_GET_SIZE(pair) != 2 || !is_a(&Spec, PyTuple_GET_ITEM(pair, 1)))
            return false;
        PyObject *name = PyTuple_GET_ITEM(pair, 0), *spec = PyTuple_GET_ITEM(pair, 1);
        PyObject *slot = PyDict_GetItemWithError(slots, name);
        if (PyErr_Occurred() || (slot != NULL && !is_a(&Slot, slot)))
            return false;
        Py_XINCREF(slot);
        PyObject *after = slot == NULL ? first_filled(spec, at, level) : drained(slot, spec, at, level);
        Py_XDECREF(slot);
        if (after == NULL)
            return false;
        int failed = PyDict_SetItem(slots, name, after);
        Py_DECREF(after);
        if (failed)
            return false;
    }
    return true;
}

/* Return the slots after a plain message, or the former ones where it tells no level. */
static PyObject *slots_after(PyObject *former, PyObject *shape, PyObject *at, PyObject *values)
{
    PyObject *levels = field(&Shape, shape, H_LEVELS);
    if (!PyTuple_CheckExact(levels))
        return NULL;
    if (PyTuple_GET_SIZE(levels) == 0)
        return Py_NewRef(former);
    PyObject *slots = PyDict_Copy(former);
    for (Py_ssize_t i = 0; slots != NULL && i < PyTuple_GET_SIZE(levels); i++) {
        PyObject *entry = PyTuple_GET_ITEM(levels, i);
        bool fits = PyTuple_CheckExact(entry) && PyTuple_GET_SIZE(entry) == 2 &&
                    PyLong_CheckExact(PyTuple_GET_ITEM(entry, 0)) && PyTuple_CheckExact(PyTuple_GET_ITEM(entry, 1));
        Py_ssize_t place = fits ? PyLong_AsSsize_t(PyTuple_GET_ITEM(entry, 0)) : -1;
        if (place < 0 || place >= PyTuple_GET_SIZE(values) ||
            !filled(slots, PyTuple_GET_ITEM(entry, 1), at, PyTuple_GET_ITEM(values, place)))
            Py_CLEAR(slots);
    }
    return slots;
}

/* Say whether a slot surely is not low; a short history without peers' use is told here, the rest by Python. */
static bool surely_not_low(PyObject *slot, PyObject *spec)
{
    PyObject *levels = field(&Slot, slot, L_LEVELS);
    double low;
    if (PyBytes_CheckExact(levels) && PyBytes_GET_SIZE(levels) >= PAIR && is_double(field(&Spec, spec, C_LOW_AT), &low)) {
        const char *bytes = PyBytes_AS_STRING(levels), *last = bytes + PyBytes_GET_SIZE(levels) - PAIR;
        if (PyFloat_Unpack8(last + 8, 1) <= low)
            return false;
        double history_s = PyFloat_Unpack8(last, 1) - PyFloat_Unpack8(bytes, 1);
        if (field(&Slot, slot, L_PEERS) == Py_None && history_s < surely_short_s)
            return true;
    }
    PyObject *answer = PyObject_CallFunctionObjArgs(may_be_low, slot, spec, NULL);
    bool is_low = answer != Py_False;
    Py_XDECREF(answer);
    return !is_low;
}

/* The slots' part of noticing.is_quiet. */
static bool slots_are_quiet(PyObject *specs, PyObject *slots, PyObject *former, PyObject *needs)
{
    PyObject *name, *spec;
    Py_ssize_t at = 0;
    while (PyDict_Next(specs, &at, &name, &spec)) {
        PyObject *slot = PyDict_GetItemWithError(slots, name);
        PyObject *before = slot == NULL ? NULL : PyDict_GetItemWithError(former, name);
        if (PyErr_Occurred())
            return false;
        if (slot == NULL)
            continue;
        if (!is_a(&Slot, slot) || !is_a(&Spec, spec) || !surely_not_low(slot, spec))
            return false;
        if (before == NULL && PyDict_GET_SIZE(needs) > 0)
            return false;
    }
    return true;
}

/* Return the numbers after a message that tells all that are known, or the first; see absorb._with_numbers. */
static PyObject *numbers_after(PyObject *known, PyObject *shape, PyObject *at, PyObject *values)
{
    PyObject *names = field(&Shape, shape, H_NAMES), *sort = field(&Shape, shape, H_SORT);
    PyObject *known_names = field(&Numbers, known, N_NAMES);
    if (known_names != names && !(PyTuple_CheckExact(known_names) && PyTuple_GET_SIZE(known_names) == 0))
        return NULL;
    PyObject *sorted = sort == Py_None ? Py_NewRef(values) : PyObject_CallOneArg(sort, values);
    if (sorted == NULL || !PyTuple_CheckExact(sorted)) {
        Py_XDECREF(sorted);
        return NULL;
    }
    Py_ssize_t count = PyTuple_GET_SIZE(sorted);
    PyObject *column = PyBytes_FromStringAndSize(NULL, 8 * count), *numbers = NULL;
    if (column != NULL) {
        for (Py_ssize_t i = 0; i < count; i++)
            PyFloat_Pack8(PyFloat_AS_DOUBLE(PyTuple_GET_ITEM(sorted, i)), PyBytes_AS_STRING(column) + 8 * i, 1);
        PyObject *parts[] = {names, column, at, no_bytes, no_bytes, field(&Numbers, known, N_SOURCE_AT),
                             field(&Numbers, known, N_SOURCE_TIMES)};
        numbers = PyObject_Vectorcall((PyObject *)Numbers.type, parts, 7, NULL);
    }
    Py_XDECREF(column);
    Py_DECREF(sorted);
    return numbers;
}

static PyObject *or_nothing(PyObject *dict)
{
    return PyDict_GET_SIZE(dict) > 0 ? dict : nothing;
}

/* Return datetime.timestamp of a time in UTC, in the same way: whole microseconds, divided once. */
static PyObject *seconds_of(PyObject *time)
{
    if (!PyDateTime_CheckExact(time) || PyDateTime_DATE_GET_TZINFO(time) != PyDateTime_TimeZone_UTC)
        return NULL;
    long long year = PyDateTime_GET_YEAR(time) - (PyDateTime_GET_MONTH(time) <= 2), month = PyDateTime_GET_MONTH(time);
    long long era = year / 400, of_era = year % 400; /* days from the civil date: H. Hinnant, chrono-compatible dates */
    long long of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + PyDateTime_GET_DAY(time) - 1;
    long long days = era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
    long long seconds = days * 86400 + PyDateTime_DATE_GET_HOUR(time) * 3600 + PyDateTime_DATE_GET_MINUTE(time) * 60 +
                        PyDateTime_DATE_GET_SECOND(time);
    if (seconds < 0 || seconds > (1LL << 32)) /* then the division below is of two exact numbers */
        return NULL;
    return PyFloat_FromDouble((double)(seconds * 1000000 + PyDateTime_DATE_GET_MICROSECOND(time)) / 1e6);
}

/* Return the state after a message of this shape, told in as many floats; see absorb._after and noticing.is_quiet. */
static PyObject *shaped(PyObject *state, PyObject *message, PyObject *profile, PyObject *shape)
{
    PyObject *former = field(&State, state, S_SLOTS), *needs = field(&State, state, S_NEEDS);
    PyObject *values = field(&Plain, message, M_VALUES), *after = NULL, *numbers = NULL, *slots = NULL, *told = NULL;
    PyObject *at = seconds_of(field(&Plain, message, M_AT));
    if (at != NULL)
        numbers = numbers_after(field(&State, state, S_NUMBERS), shape, at, values);
    if (numbers != NULL)
        slots = slots_after(former, shape, at, values);
    if (slots != NULL && slots_are_quiet(field(&Profile, profile, F_SLOTS), slots, former, needs)) {
        long long messages = PyLong_AsLongLong(field(&State, state, S_MESSAGES));
        told = messages == -1 && PyErr_Occurred() ? NULL : PyLong_FromLongLong(messages + 1);
    }
    if (told != NULL) {
        PyObject *parts[] = {field(&State, state, S_RECORD), field(&State, state, S_PROFILE),
                             field(&State, state, S_COMMUNITIES), numbers, or_nothing(field(&State, state, S_LATEST)),
                             slots, or_nothing(field(&State, state, S_COMPONENTS)),
                             or_nothing(field(&State, state, S_FAULTS)), field(&State, state, S_HAPPENED),
                             or_nothing(needs), told};
        after = PyObject_Vectorcall((PyObject *)State.type, parts, 0, state_fields);
    }
    Py_XDECREF(told);
    Py_XDECREF(slots);
    Py_XDECREF(numbers);
    Py_XDECREF(at);
    return after;
}

/* Say whether a state holds what its class promises, no fault, and none of these names as anything but a number. */
static bool is_ordinary(PyObject *state, PyObject *names)
{
    static const int dicts[] = {S_LATEST, S_SLOTS, S_COMPONENTS, S_FAULTS, S_NEEDS};
    for (size_t i = 0; i < sizeof dicts / sizeof *dicts; i++)
        if (!PyDict_CheckExact(field(&State, state, dicts[i])))
            return false;
    if (!is_a(&Numbers, field(&State, state, S_NUMBERS)) || !PyTuple_CheckExact(names))
        return false;
    PyObject *name, *holds, *latest = field(&State, state, S_LATEST);
    Py_ssize_t at = 0;
    while (PyDict_Next(field(&State, state, S_FAULTS), &at, &name, &holds))
        if (holds != Py_False)
            return false;
    for (Py_ssize_t i = 0; PyDict_GET_SIZE(latest) > 0 && i < PyTuple_GET_SIZE(names); i++)
        if (PyDict_Contains(latest, PyTuple_GET_ITEM(names, i)) != 0)
            return false;
    return true;
}

/* Return the profile of a plan that looks at slots alone, borrowed. */
static PyObject *slots_alone(PyObject *plan)
{
    if (plan == NULL || !is_a(&Plan, plan) || !PyDict_CheckExact(field(&Plan, plan, P_SHAPES)))
        return NULL;
    PyObject *profile = field(&Plan, plan, P_PROFILE);
    if (!is_a(&Profile, profile) || field(&Profile, profile, F_EVENTS) != Py_None)
        return NULL;
    PyObject *components = field(&Profile, profile, F_COMPONENTS);
    bool alone = PyDict_CheckExact(components) && PyDict_GET_SIZE(components) == 0 &&
                 PyDict_CheckExact(field(&Profile, profile, F_SLOTS));
    return alone ? profile : NULL;
}

/* Return the shape of a message that Plan.shape has seen before, borrowed, if its values are that many floats. */
static PyObject *known_shape(PyObject *plan, PyObject *names, PyObject *values)
{
    PyObject *shape = PyDict_GetItemWithError(field(&Plan, plan, P_SHAPES), names);
    if (shape == NULL || !is_a(&Shape, shape) || !PyTuple_CheckExact(values))
        return NULL;
    PyObject *watched = field(&Shape, shape, H_WATCHED), *order = field(&Shape, shape, H_NAMES);
    if (!PyTuple_CheckExact(watched) || PyTuple_GET_SIZE(watched) > 0 || !PyTuple_CheckExact(order))
        return NULL;
    if (PyTuple_GET_SIZE(order) != PyTuple_GET_SIZE(values))
        return NULL;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(values); i++)
        if (!PyFloat_CheckExact(PyTuple_GET_ITEM(values, i)))
            return NULL;
    return shape;
}

static PyObject *quiet(PyObject *Py_UNUSED(self), PyObject *const *args, Py_ssize_t count)
{
    if (count != 4 || !PyDict_CheckExact(args[0]) || !PyDict_CheckExact(args[1]) || !is_a(&State, args[2]) ||
        !is_a(&Plain, args[3]))
        Py_RETURN_NONE;
    PyObject *state = args[2], *message = args[3], *after = NULL;
    PyObject *record = field(&State, state, S_RECORD), *reference = field(&State, state, S_PROFILE);
    PyObject *names = field(&Plain, message, M_NAMES), *values = field(&Plain, message, M_VALUES);
    if (!is_a(&Record, record) || field(&Record, record, T_RETIRED) != Py_None || !is_ordinary(state, names))
        goto done;
    PyObject *plan = PyDict_GetItemWithError(args[0], reference), *profile = slots_alone(plan);
    if (profile == NULL)
        goto done;
    PyObject *current = PyDict_GetItemWithError(args[1], field(&Profile, profile, F_NAME));
    if (current != NULL && !same_text(current, reference))
        goto done;
    PyObject *shape = known_shape(plan, names, values);
    if (shape == NULL)
        goto done;
    Py_INCREF(plan); /* holds the profile, too */
    Py_INCREF(shape);
    after = shaped(state, message, profile, shape);
    Py_DECREF(shape);
    Py_DECREF(plan);
done:
    if (after == NULL && !PyErr_Occurred())
        after = Py_NewRef(Py_None);
    return after;
}

static PyMethodDef methods[] = {
    {"bind", bind, METH_VARARGS, "Take the layouts of the classes, and the rules that are asked; first of all."},
    {"plain", (PyCFunction)(void (*)(void))plain, METH_FASTCALL, "Tell a device message shortly, or return None."},
    {"quiet", (PyCFunction)(void (*)(void))quiet, METH_FASTCALL, "Return the state after a message that asks nothing, or None."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {.m_base = PyModuleDef_HEAD_INIT, .m_name = "_quiet", .m_size = -1, .m_methods = methods};

PyMODINIT_FUNC PyInit__quiet(void)
{
    plain_fields = keywords(PLAIN);
    state_fields = keywords(STATE);
    slot_fields = keywords(SLOT);
    first_fields = keywords(FIRST);
    no_bytes = PyBytes_FromStringAndSize("", 0);
    PyDateTime_IMPORT;
    if (!plain_fields || !state_fields || !slot_fields || !first_fields || !no_bytes || PyDateTimeAPI == NULL)
        return NULL;
    return made(&module);
}
