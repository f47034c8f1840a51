/* Plain turns in C: what Turning._turn, Cell.advances, Cell.put and Pump._release do with a message on which nothing is decided.
 *
 * The Python code is the specification. Whatever is not as nearly all messages are is left to it, before anything has
 * changed. tests/actors/runtime/test_swift_turns.py holds both against each other. */

#include "slots.h"

#include <stdbool.h>
#include <string.h>

enum { E_MESSAGE, E_ID, E_TOKEN, E_SETTLE, E_OUTCOME, E_FOLLOWING, E_CELL, E_ORIGIN, E_PACKED, E_POISON };
static const char *const ENVELOPE[] = {"message", "message_id", "token", "settle", "outcome", "following",
                                       "cell", "origin", "packed", "poison", NULL};
enum { C_ADDRESS, C_KIND, C_STATE, C_LOADED, C_TURN, C_BOOT, C_TOP, C_ONE_BOOT, C_FIRST, C_LAST, C_WAITING, C_QUEUED };
static const char *const CELL[] = {"address", "kind", "state", "loaded", "turn", "boot", "top",
                                   "one_boot", "first", "last", "waiting", "queued", NULL};
enum { N_RUN };
static const char *const NUMBERED[] = {"run", NULL};
enum { K_SCHEMA, K_QUICK, K_READ };
static const char *const KIND[] = {"schema", "quick", "read_present", NULL};
enum { R_NUMBER, R_AT, R_BATCH, R_PROCESSED, R_TOUCHED, R_TURNS, R_FORMER };
static const char *const RUN[] = {"number", "at", "batch", "processed", "touched", "turns", "former", NULL};
enum { B_TURNS };
static const char *const BATCH[] = {"turns", NULL};
static const char *const ROW[] = {"position", "address", "turn", "schema", "message_id", "at", "message", "events", NULL};

static Layout Envelope, Cell, Numbered, Kind, Run, Batch, Row;
static PyObject *row_fields, *no_bytes, *zero, *word_append, *word_popleft;

static PyObject *bind(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *envelope, *cell, *kind, *run, *batch, *row;
    if (!PyArg_ParseTuple(args, "OOOOOO", &envelope, &cell, &kind, &run, &batch, &row))
        return NULL;
    if (layout_of(&Envelope, envelope, ENVELOPE) || layout_of(&Cell, cell, CELL) ||
        layout_of(&Numbered, cell, NUMBERED) || layout_of(&Kind, kind, KIND) || layout_of(&Run, run, RUN) ||
        layout_of(&Batch, batch, BATCH) || layout_of(&Row, row, ROW))
        return NULL;
    Py_RETURN_NONE;
}

/* Read "boot:number"; false where Cell.advances must judge it. */
static bool split_id(PyObject *id, const char **text, Py_ssize_t *boot, long long *number)
{
    if (!PyUnicode_CheckExact(id) || !PyUnicode_IS_COMPACT_ASCII(id))
        return false;
    Py_ssize_t length = PyUnicode_GET_LENGTH(id), at = length;
    *text = (const char *)PyUnicode_1BYTE_DATA(id);
    while (at > 0 && (*text)[at - 1] >= '0' && (*text)[at - 1] <= '9')
        at--;
    if (at == length || length - at > 18 || at < 2 || (*text)[at - 1] != ':')
        return false;
    *boot = at - 1;
    *number = 0;
    for (; at < length; at++)
        *number = *number * 10 + ((*text)[at] - '0');
    return true;
}

/* Say whether this number is above all of the cell's boot, or of a boot that is surely new; see Cell.advances. */
static bool advances(PyObject *cell, const char *text, Py_ssize_t length, long long number, bool *same)
{
    PyObject *boot = field(&Cell, cell, C_BOOT), *top = field(&Cell, cell, C_TOP);
    if (!PyUnicode_CheckExact(boot) || !PyUnicode_IS_COMPACT_ASCII(boot) || !PyLong_CheckExact(top))
        return false;
    *same = PyUnicode_GET_LENGTH(boot) == length && memcmp(PyUnicode_1BYTE_DATA(boot), text, (size_t)length) == 0;
    if (!*same)
        return field(&Cell, cell, C_ONE_BOOT) == Py_True;
    int overflow;
    long long highest = PyLong_AsLongLongAndOverflow(top, &overflow);
    return overflow == 0 && number > highest;
}

/* Return the state after the envelope's message, or NULL without an exception where Python must look at it. */
static PyObject *state_after(PyObject *cell, PyObject *kind, PyObject *envelope)
{
    PyObject *quick = field(&Kind, kind, K_QUICK), *message = field(&Envelope, envelope, E_MESSAGE);
    if (message == Py_None)
        message = PyObject_CallOneArg(field(&Kind, kind, K_READ), field(&Envelope, envelope, E_PACKED));
    else
        Py_INCREF(message);
    PyObject *after = NULL, *state = Py_NewRef(field(&Cell, cell, C_STATE));
    if (message != NULL) {
        PyObject *args[] = {state, message};
        after = PyObject_Vectorcall(quick, args, 2, NULL);
    }
    Py_DECREF(state);
    Py_XDECREF(message);
    PyErr_Clear(); /* it comes again in Python, where it is dealt with */
    if (after == Py_None)
        Py_CLEAR(after);
    return after;
}

/* Note the turn in the run; 0, or -1 with an exception. */
static int note(PyObject *run, PyObject *cell, PyObject *envelope, PyObject *row)
{
    PyObject *number = field(&Run, run, R_NUMBER), *batch = field(&Run, run, R_BATCH);
    int touched = PyObject_RichCompareBool(field(&Numbered, cell, N_RUN), number, Py_EQ);
    if (touched < 0 || PyList_Append(field(&Batch, batch, B_TURNS), row) ||
        PyList_Append(field(&Run, run, R_PROCESSED), envelope))
        return -1;
    if (touched)
        return 0;
    if (PyList_Append(field(&Run, run, R_TOUCHED), cell) ||
        PyList_Append(field(&Run, run, R_FORMER), field(&Cell, cell, C_STATE)))
        return -1;
    set_field(&Numbered, cell, N_RUN, Py_NewRef(number));
    return 0;
}

/* Let a cell take its only message. 1: taken; 0: Python must take it; -1: an exception. */
static int taken(PyObject *run, PyObject *cell, PyObject *envelope, PyObject *kind, long long position)
{
    PyObject *id = field(&Envelope, envelope, E_ID), *packed = field(&Envelope, envelope, E_PACKED);
    const char *text;
    Py_ssize_t length;
    long long number;
    bool same;
    if (!split_id(id, &text, &length, &number) || !advances(cell, text, length, number, &same))
        return 0;
    long long turn = PyLong_AsLongLong(field(&Cell, cell, C_TURN));
    PyObject *after = turn == -1 && PyErr_Occurred() ? NULL : state_after(cell, kind, envelope);
    if (after == NULL)
        return PyErr_Occurred() ? -1 : 0;
    PyObject *top = PyLong_FromLongLong(number), *count = PyLong_FromLongLong(turn + 1);
    PyObject *place = PyLong_FromLongLong(position), *row = NULL;
    PyObject *boot = same ? Py_NewRef(field(&Cell, cell, C_BOOT)) : PyUnicode_FromStringAndSize(text, length);
    if (top != NULL && count != NULL && place != NULL && boot != NULL) {
        PyObject *parts[] = {place, field(&Cell, cell, C_ADDRESS), count, field(&Kind, kind, K_SCHEMA),
                             id, field(&Run, run, R_AT), packed, no_bytes};
        row = PyObject_Vectorcall((PyObject *)Row.type, parts, 0, row_fields);
    }
    Py_XDECREF(place);
    if (row == NULL || note(run, cell, envelope, row)) {
        Py_XDECREF(row), Py_XDECREF(top), Py_XDECREF(count), Py_XDECREF(boot), Py_DECREF(after);
        return -1;
    }
    Py_DECREF(row);
    if (!same)
        set_field(&Cell, cell, C_ONE_BOOT, PyBool_FromLong(PyUnicode_GET_LENGTH(field(&Cell, cell, C_BOOT)) == 0));
    set_field(&Cell, cell, C_BOOT, boot);
    set_field(&Cell, cell, C_TOP, top);
    set_field(&Cell, cell, C_TURN, count);
    set_field(&Cell, cell, C_STATE, after);
    set_field(&Envelope, envelope, E_CELL, Py_NewRef(cell));
    return 1;
}

/* Return the cell's only message, borrowed, and its kind, where both are as nearly all are; else NULL. */
static PyObject *only_mail(PyObject *cell, PyObject **kind)
{
    if (!is_a(&Cell, cell) || field(&Cell, cell, C_LOADED) != Py_True)
        return NULL;
    PyObject *envelope = field(&Cell, cell, C_FIRST);
    *kind = field(&Cell, cell, C_KIND);
    if (!is_a(&Envelope, envelope) || !is_a(&Kind, *kind) || field(&Kind, *kind, K_QUICK) == Py_None)
        return NULL;
    PyObject *packed = field(&Envelope, envelope, E_PACKED);
    bool is_plain = field(&Envelope, envelope, E_FOLLOWING) == Py_None &&
                    field(&Envelope, envelope, E_ORIGIN) == Py_None &&
                    field(&Envelope, envelope, E_POISON) == Py_None && PyBytes_CheckExact(packed) &&
                    PyBytes_GET_SIZE(packed) > 0;
    return is_plain ? envelope : NULL;
}

/* take(ready, run, most, position) -> how many of the first actors in ready took their only message. */
static PyObject *take(PyObject *Py_UNUSED(self), PyObject *const *args, Py_ssize_t count)
{
    if (count != 4 || !is_a(&Run, args[1]) || !is_a(&Batch, field(&Run, args[1], R_BATCH)))
        return PyErr_Format(PyExc_TypeError, "expected a deque of cells, a run, and two numbers");
    PyObject *ready = args[0], *run = args[1];
    Py_ssize_t waiting = PyObject_Length(ready), most = PyLong_AsSsize_t(args[2]), done = 0;
    long long position = PyLong_AsLongLong(args[3]), turns = PyLong_AsLongLong(field(&Run, run, R_TURNS));
    if (PyErr_Occurred())
        return NULL;
    int went = 1;
    while (went == 1 && done < most && done < waiting) {
        PyObject *kind, *cell = PySequence_GetItem(ready, 0);
        if (cell == NULL)
            return NULL;
        PyObject *envelope = only_mail(cell, &kind);
        Py_XINCREF(envelope);
        went = envelope == NULL ? 0 : taken(run, cell, envelope, kind, position + done);
        if (went == 1) {
            done++;
            set_field(&Cell, cell, C_FIRST, Py_NewRef(Py_None));
            set_field(&Cell, cell, C_LAST, Py_NewRef(Py_None));
            set_field(&Cell, cell, C_WAITING, Py_NewRef(zero));
            set_field(&Cell, cell, C_QUEUED, Py_NewRef(Py_False));
            PyObject *gone = PyObject_CallMethodNoArgs(ready, word_popleft);
            went = gone == NULL ? -1 : 1;
            Py_XDECREF(gone);
        }
        Py_XDECREF(envelope);
        Py_DECREF(cell);
    }
    PyObject *total = went < 0 ? NULL : PyLong_FromLongLong(turns + done);
    if (total == NULL)
        return NULL;
    set_field(&Run, run, R_TURNS, total);
    return PyLong_FromSsize_t(done);
}

/* post(ready, cell, message, message_id, token, settle, packed): put a new envelope into the mailbox; see Cell.put. */
static PyObject *post(PyObject *Py_UNUSED(self), PyObject *const *args, Py_ssize_t count)
{
    if (count != 7 || !is_a(&Cell, args[1]))
        return PyErr_Format(PyExc_TypeError, "expected a deque, a cell, and five parts of an envelope");
    PyObject *cell = args[1], *last = field(&Cell, cell, C_LAST);
    PyObject *parts[] = {args[2], args[3], args[4], args[5], Py_None, Py_None, Py_None, Py_None, args[6]};
    PyObject *envelope = PyObject_Vectorcall((PyObject *)Envelope.type, parts, 9, NULL);
    long long waiting = PyLong_AsLongLong(field(&Cell, cell, C_WAITING));
    PyObject *after = waiting == -1 && PyErr_Occurred() ? NULL : PyLong_FromLongLong(waiting + 1);
    PyObject *queued = Py_NewRef(Py_None);
    if (envelope != NULL && after != NULL && field(&Cell, cell, C_QUEUED) != Py_True)
        Py_SETREF(queued, PyObject_CallMethodOneArg(args[0], word_append, cell));
    if (envelope == NULL || after == NULL || queued == NULL) {
        Py_XDECREF(envelope), Py_XDECREF(after), Py_XDECREF(queued);
        return NULL;
    }
    Py_DECREF(queued);
    if (is_a(&Envelope, last))
        set_field(&Envelope, last, E_FOLLOWING, Py_NewRef(envelope));
    else
        set_field(&Cell, cell, C_FIRST, Py_NewRef(envelope));
    set_field(&Cell, cell, C_LAST, envelope);
    set_field(&Cell, cell, C_WAITING, after);
    set_field(&Cell, cell, C_QUEUED, Py_NewRef(Py_True));
    Py_RETURN_NONE;
}

/* Tell one sender what became of its message; an exception is for ``failed(envelope, error)``. 0, or -1. */
static int settled(PyObject *envelope, PyObject *taken, PyObject *failed)
{
    PyObject *call = Py_NewRef(field(&Envelope, envelope, E_SETTLE)), *outcome = field(&Envelope, envelope, E_OUTCOME);
    PyObject *args[] = {Py_NewRef(field(&Envelope, envelope, E_TOKEN)), Py_NewRef(outcome == Py_None ? taken : outcome)};
    PyObject *done = PyObject_Vectorcall(call, args, 2, NULL);
    if (done == NULL && PyErr_ExceptionMatches(PyExc_Exception)) {
        PyObject *type, *error, *trace;
        PyErr_Fetch(&type, &error, &trace);
        PyErr_NormalizeException(&type, &error, &trace);
        if (trace != NULL)
            PyException_SetTraceback(error, trace);
        done = PyObject_CallFunctionObjArgs(failed, envelope, error, NULL);
        Py_XDECREF(type), Py_XDECREF(error), Py_XDECREF(trace);
    }
    Py_DECREF(call), Py_DECREF(args[0]), Py_DECREF(args[1]);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* settle(processed, taken, failed): tell all senders what became of their messages; see _settle of pump.py. */
static PyObject *settle(PyObject *Py_UNUSED(self), PyObject *const *args, Py_ssize_t count)
{
    if (count != 3 || !PyList_CheckExact(args[0]))
        return PyErr_Format(PyExc_TypeError, "expected a list of envelopes, an outcome, and a function");
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(args[0]); i++) {
        PyObject *envelope = Py_NewRef(PyList_GET_ITEM(args[0], i));
        int went = is_a(&Envelope, envelope) ? 0 : -1;
        if (went < 0)
            PyErr_SetString(PyExc_TypeError, "expected an envelope");
        else if (field(&Envelope, envelope, E_SETTLE) != Py_None)
            went = settled(envelope, args[1], args[2]);
        Py_DECREF(envelope);
        if (went < 0)
            return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"bind", bind, METH_VARARGS, "Take the layouts of Envelope, Cell, Kind, Run, Batch and TurnRow; first of all."},
    {"take", (PyCFunction)(void (*)(void))take, METH_FASTCALL, "Let the first actors take their plain messages."},
    {"post", (PyCFunction)(void (*)(void))post, METH_FASTCALL, "Put a message into a mailbox."},
    {"settle", (PyCFunction)(void (*)(void))settle, METH_FASTCALL, "Tell senders what became of their messages."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {.m_base = PyModuleDef_HEAD_INIT, .m_name = "_turns", .m_size = -1, .m_methods = methods};

PyMODINIT_FUNC PyInit__turns(void)
{
    row_fields = keywords(ROW);
    no_bytes = PyBytes_FromStringAndSize("", 0);
    zero = PyLong_FromLong(0);
    word_append = PyUnicode_InternFromString("append");
    word_popleft = PyUnicode_InternFromString("popleft");
    if (!row_fields || !no_bytes || !zero || !word_append || !word_popleft)
        return NULL;
    return made(&module);
}
