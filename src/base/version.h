/* version.h - what --version, the monitor and our user agent say. */
#ifndef BASE_VERSION_H
#define BASE_VERSION_H

extern const char caesure_version[]; /* "0.1.0 (git's description of the commit)" */
#endif
