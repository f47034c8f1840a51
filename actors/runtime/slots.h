/* Fields of Structs and of classes with __slots__, read at their places instead of by their names.
 *
 * A field is a member descriptor; where it lies in an object is part of CPython's own headers (descrobject.h). Layouts are
 * taken when a class is bound, and one that is not made of such fields is refused: then Python's way is used. */

#ifndef IOT2CRM_SLOTS_H
#define IOT2CRM_SLOTS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#ifndef SOURCES
#define SOURCES "" /* the build gives their SHA-256 */
#endif

#define MOST_FIELDS 12

typedef struct {
    PyTypeObject *type;
    Py_ssize_t places[MOST_FIELDS];
} Layout;

/* Take the layout of a class; names end with NULL. 0, or -1 with an exception. */
static int layout_of(Layout *layout, PyObject *type, const char *const *names)
{
    if (!PyType_Check(type)) {
        PyErr_SetString(PyExc_TypeError, "expected a class");
        return -1;
    }
    for (int i = 0; names[i] != NULL; i++) {
        PyObject *found = PyObject_GetAttrString(type, names[i]);
        if (found == NULL)
            return -1;
        int is_slot = Py_TYPE(found) == &PyMemberDescr_Type &&
                      ((PyMemberDescrObject *)found)->d_member->type == T_OBJECT_EX &&
                      PyType_IsSubtype((PyTypeObject *)type, ((PyMemberDescrObject *)found)->d_common.d_type);
        if (is_slot)
            layout->places[i] = ((PyMemberDescrObject *)found)->d_member->offset;
        Py_DECREF(found);
        if (!is_slot) {
            PyErr_Format(PyExc_TypeError, "%s.%s is no slot", ((PyTypeObject *)type)->tp_name, names[i]);
            return -1;
        }
    }
    Py_XSETREF(layout->type, (PyTypeObject *)Py_NewRef(type));
    return 0;
}

static inline int is_a(const Layout *layout, PyObject *object)
{
    return Py_TYPE(object) == layout->type;
}

/* Return a borrowed field of an object of this very class; None where it is not set. */
static inline PyObject *field(const Layout *layout, PyObject *object, int number)
{
    PyObject *value = *(PyObject **)((char *)object + layout->places[number]);
    return value == NULL ? Py_None : value;
}

/* Set a field, taking over the reference. */
static inline void set_field(const Layout *layout, PyObject *object, int number, PyObject *value)
{
    PyObject **place = (PyObject **)((char *)object + layout->places[number]);
    PyObject *former = *place;
    *place = value;
    Py_XDECREF(former);
}

/* Return a module that tells what it was compiled from, so that one that is older than its source is not used. */
static PyObject *made(struct PyModuleDef *definition)
{
    PyObject *module = PyModule_Create(definition);
    if (module != NULL && PyModule_AddStringConstant(module, "sources", SOURCES))
        Py_CLEAR(module);
    return module;
}

/* Return names as the interned tuple that a call with keywords wants. */
static PyObject *keywords(const char *const *names)
{
    Py_ssize_t count = 0;
    while (names[count] != NULL)
        count++;
    PyObject *tuple = PyTuple_New(count);
    for (Py_ssize_t i = 0; tuple != NULL && i < count; i++) {
        PyObject *name = PyUnicode_InternFromString(names[i]);
        if (name == NULL)
            Py_CLEAR(tuple);
        else
            PyTuple_SET_ITEM(tuple, i, name);
    }
    return tuple;
}

#endif
