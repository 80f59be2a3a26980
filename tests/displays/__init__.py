"""Displays that the project draws itself: seven-segment digits as polygons, in scenes from clean to unreadable.

`segments` draws a row of digits, `scene` puts it behind glass on a meter's body and photographs it, `sets` draws whole
sets by seed. Nothing but NumPy and OpenCV is needed; the DSEG typeface joins in where it is installed.
"""
